package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
)

// The configurations of the pages that are to be saved as they stand can be run so.
func TestExamplesAreWhole(t *testing.T) {
	t.Setenv("GATEWAY_TOKEN", "secret")
	for _, page := range []string{"watch-logs.md", "watch-pressure.md", "watch-health.md", "host-metrics.md", "ship-to-a-collector.md"} {
		t.Run(page, func(t *testing.T) { requireWholeExamples(t, page) })
	}
}

func requireWholeExamples(t *testing.T, page string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	require.NoError(t, err)
	found := example.FindAllStringSubmatch(string(text), -1)
	require.Len(t, found, strings.Count(string(text), "```yaml"))
	require.NotEmpty(t, found)
	for _, match := range found {
		loaded, err := config.Parse([]byte(match[2]), page, configFactories())
		require.NoError(t, err, match[2])
		require.Empty(t, loaded.Warnings, match[2])
	}
}
