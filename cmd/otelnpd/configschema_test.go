package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/internal/describe"
)

func TestConfigSchema(t *testing.T) {
	printed := otelnpd(t, "", "config", "schema")
	require.Zero(t, printed.code, printed.stderr)
	schema, err := describe.NewChecker([]byte(printed.stdout), "")
	require.NoError(t, err)
	require.NoError(t, schema.Check([]byte(otelnpd(t, "", "config", "default").stdout)))
	require.ErrorContains(t, schema.Check([]byte("receivers: {kmgs: }")), "kmgs")

	printed = otelnpd(t, "", "config", "schema", "--pack")
	require.Zero(t, printed.code, printed.stderr)
	schema, err = describe.NewChecker([]byte(printed.stdout), "")
	require.NoError(t, err)
	kernel, err := packs.FS.ReadFile("kernel.yaml")
	require.NoError(t, err)
	require.NoError(t, schema.Check(kernel))
	require.ErrorContains(t, schema.Check([]byte("receivers: {kmsg: }")), "receivers")
}

// What makes the schema and the pages is not in the binary.
func TestGeneratorsAreNotLinked(t *testing.T) {
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	linked := strings.Fields(string(list))
	require.True(t, slices.Contains(linked, "github.com/otelnpd/otelnpd/config"))
	for _, path := range linked {
		require.NotContains(t, path, "jsonschema")
		require.NotContains(t, path, "otelnpd/internal/")
	}
}
