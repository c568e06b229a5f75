package servers

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func portOf(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}

// getOrSkip returns the folder of a recipe's programs; without it the test cannot
// run.
func getOrSkip(t testing.TB, recipeOf func() (*recipe, error)) string {
	t.Helper()
	r, err := recipeOf()
	require.NoError(t, err)
	folder, err := r.get(t.Context())
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("no %s here: %v", r.name, err)
	}
	require.NoError(t, err)
	return folder
}
