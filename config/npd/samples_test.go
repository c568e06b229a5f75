package npd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/npd"
)

// samples returns the JSON files of node-problem-detector's image, which the folder
// that OTELNPD_SHARED names may hold.
func samples(t testing.TB) []string {
	t.Helper()
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("OTELNPD_SHARED names no folder with sample files")
	}
	files, err := filepath.Glob(filepath.Join(shared, "npd-config", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// flagOf returns the flag that a sample belongs to.
func flagOf(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	switch {
	case strings.Contains(string(text), `"plugin": "custom"`):
		return pluginFlag
	case strings.Contains(string(text), `"metricsConfigs"`):
		return statsFlag
	}
	return logFlag
}

// Every file that node-problem-detector ships becomes a configuration, alone and
// all together.
func TestSamples(t *testing.T) {
	var all []string
	for _, file := range samples(t) {
		flag := flagOf(t, file) + file
		all = append(all, flag)
		t.Run(filepath.Base(file), func(t *testing.T) {
			options := parseArguments(t, flag)
			running, conversion := requireParses(t, options, npd.ForRunning)
			printing, printed := requireParses(t, options, npd.ForPrinting)
			require.Equal(t, running.Graph, printing.Graph)
			require.Equal(t, string(conversion.YAML), string(printed.YAML))
			require.Empty(t, printed.NotCarried)
			for _, warning := range conversion.Warnings {
				require.True(t, expected(warning.Message), warning.String())
			}
		})
	}
	stackdriver := filepath.Join(os.Getenv("OTELNPD_SHARED"), "npd-config/exporter/stackdriver-exporter.json")
	_, conversion := requireParses(t, parseArguments(t, append(all, "--exporter.stackdriver="+stackdriver)...), npd.ForRunning)
	require.Contains(t, string(conversion.YAML), "googlecloud:")
	require.Contains(t, string(conversion.YAML), "type: gce_instance")
}

// expected are the warnings that the samples do deserve.
func expected(message string) bool {
	for _, part := range []string{"this does not run", "does not exist", "write the key as"} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// The chart's command line, as it stands in the container's shell command.
func TestChart(t *testing.T) {
	samples(t)
	folder := filepath.Join(os.Getenv("OTELNPD_SHARED"), "npd-config")
	text, err := os.ReadFile(filepath.Join(folder, "chart/rendered.yaml"))
	require.NoError(t, err)
	_, line, found := strings.Cut(string(text), "exec /node-problem-detector ")
	require.True(t, found)
	line, _, _ = strings.Cut(line, `"`)
	args := strings.Fields(strings.ReplaceAll(line, "/config/", folder+"/"))
	parsed, conversion := requireParses(t, parseArguments(t, args...), npd.ForRunning)
	require.Len(t, parsed.Graph.Receivers, 3)
	require.Len(t, parsed.Conditions.Rules, 20, "18 of the files, two of the receivers")
	require.Contains(t, string(conversion.YAML), "prometheus: {endpoint: '0.0.0.0:20257'}")
	require.Empty(t, conversion.Warnings)
}
