package servers

import (
	"context"
	"errors"
)

// Prepare gets all servers into the cache, so that tests start at once.
func Prepare(ctx context.Context) error {
	var errs []error
	for _, recipeOf := range []func() (*recipe, error){prometheusRecipe, collectorRecipe, kubernetesRecipe} {
		r, err := recipeOf()
		if err == nil {
			_, err = r.get(ctx)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
