package kubernetes_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// written is the whole configuration as the README has it.
func written(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(page), "<!-- defaults -->\n```yaml\n")
	require.True(t, found)
	text, _, found = strings.Cut(text, "```")
	require.True(t, found)
	_, text, found = strings.Cut(text, "  kubernetes:\n")
	require.True(t, found)
	return text
}

func TestDocumentedDefaults(t *testing.T) {
	var config kubernetes.Config
	_, err := strictyaml.Decode([]byte(written(t)), "README.md", &config)
	require.NoError(t, err)
	require.Equal(t, *kubernetes.DefaultConfig(), config)
	require.NoError(t, config.Validate())
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*kubernetes.Config)
		want   string
	}{
		"does nothing": {
			func(c *kubernetes.Config) { c.NodeConditions, c.Events.Enabled = false, false },
			"node_conditions: is false, and so is events.enabled: the exporter would do nothing; turn one of them on, or leave the exporter out",
		},
		"heartbeat": {
			func(c *kubernetes.Config) { c.HeartbeatPeriod = 999 * time.Millisecond },
			"heartbeat_period: 999ms is too short: write 1s or more, for example 5m",
		},
		"waiting": {
			func(c *kubernetes.Config) { c.Wait.Interval, c.Wait.Timeout = 0, -time.Second },
			"wait.interval: 0s is too short: write 100ms or more, for example 5s\n" +
				"wait.timeout: -1s is negative: write 0 or more, for example 5m",
		},
		"the halves' own": {
			func(c *kubernetes.Config) { c.APIServer.Credentials, c.Events.Namespace = "secret", "Default" },
			`apiserver.credentials: "secret" is unknown: write one of auto, in_cluster, kubeconfig, none` + "\n" +
				`events.namespace: "Default" is no namespace: write lower-case letters, digits and dashes, for example kube-system, at most 63 characters`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := kubernetes.DefaultConfig()
			tt.change(config)
			require.EqualError(t, config.Validate(), tt.want)
		})
	}
	config := kubernetes.DefaultConfig()
	config.Wait.Interval, config.Wait.Timeout, config.HeartbeatPeriod = 100*time.Millisecond, 0, time.Second
	require.NoError(t, config.Validate())
}

func TestOnlyOneWritesTheConditions(t *testing.T) {
	config := kubernetes.DefaultConfig()
	require.Equal(t, "the Node's conditions", config.Exclusive())
	config.NodeConditions = false
	require.Empty(t, config.Exclusive())
}
