package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
)

// The configurations of the page that are to be saved as they stand can be run so.
func TestExamplesOfWatchLogsAreWhole(t *testing.T) {
	text, err := os.ReadFile("../../docs/watch-logs.md")
	require.NoError(t, err)
	found := example.FindAllStringSubmatch(string(text), -1)
	require.Len(t, found, strings.Count(string(text), "```yaml"))
	require.NotEmpty(t, found)
	for _, match := range found {
		loaded, err := config.Parse([]byte(match[2]), "watch-logs.md", configFactories())
		require.NoError(t, err, match[2])
		require.Empty(t, loaded.Warnings, match[2])
	}
}
