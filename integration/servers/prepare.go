package servers

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

var recipes = []func() (*recipe, error){prometheusRecipe, logrotateRecipe, containerdRecipe, runcRecipe, debianRecipe, collectorRecipe, kubernetesRecipe, kubectlRecipe}

// Prepare gets servers into the cache, so that tests start at once, and returns the
// folders of their programs: of prometheus, logrotate, containerd, runc, debian, otelcol, kubernetes and kubectl
// those that are named, or all where none is.
func Prepare(ctx context.Context, names ...string) (folders []string, err error) {
	var errs []error
	known := map[string]bool{}
	for _, recipeOf := range recipes {
		r, err := recipeOf()
		if err != nil {
			return nil, err
		}
		known[r.name] = true
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		folder, err := r.get(ctx)
		if err == nil {
			folders = append(folders, folder)
		}
		errs = append(errs, err)
	}
	for _, name := range names {
		if !known[name] {
			errs = append(errs, fmt.Errorf("%q is unknown: write prometheus, logrotate, containerd, runc, debian, otelcol, kubernetes or kubectl", name))
		}
	}
	return folders, errors.Join(errs...)
}
