package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// Settings are what one agent of a test is configured with. They may be used again,
// by an agent that is to be taken for the same one after a restart.
type Settings struct {
	// Status and Metrics are addresses (HOST:PORT), Socket is the operator's.
	Status, Metrics, Socket string
	// Run is the host's run directory, of which only the tests know.
	Run string
	// StateDir is where state is kept; none: in memory.
	StateDir string
	// Config is where the configuration is written; empty: somewhere new each time.
	Config string
	// Environment has more variables (NAME=value) for the agent.
	Environment []string
	// Node is the node's name; empty: the host's.
	Node string
	// Lookback of the receiver kmsg: boot, or a duration.
	Lookback string
	// KmsgKeys, ConsoleKeys, StatusKeys and PrometheusKeys are more keys of those
	// components, each after a comma, in YAML flow style.
	KmsgKeys, ConsoleKeys, StatusKeys, PrometheusKeys string
	// Hoststats are the keys of a receiver hoststats, in YAML flow style, which then
	// stands in a pipeline of metrics; empty: there is none.
	Hoststats string
	// Filelog are the keys of a receiver filelog, in YAML flow style, which then takes
	// the place of kmsg.
	Filelog string
	// Journald are the keys of a receiver journald, likewise.
	Journald string
	// Health are the keys of a receiver health, likewise.
	Health string
	// Packs of rules, with commas.
	Packs string
	// Conditions are the top-level key conditions, and Rules more keys of the
	// processor rules, in YAML flow style.
	Conditions, Rules string
	// Pstore are the keys of the receiver pstore, in YAML flow style, which then takes
	// the place of kmsg; empty: there is none.
	Pstore string
	// Host has more keys of service.host, in YAML flow style, without braces.
	Host string
	// Capabilities are those that the agent keeps, in YAML flow style; empty: all.
	Capabilities string
	// Kubernetes are the keys of the exporter kubernetes, in YAML flow style; empty:
	// there is none.
	Kubernetes string
	// OTLP are the keys of the exporter otlp, likewise.
	OTLP string
	// MetricsPipeline is service.pipelines.metrics, in YAML flow style; empty: there is
	// none.
	MetricsPipeline string
	// Naming is service.telemetry.naming; empty: the default.
	Naming string
	// Raw are the keys of the processor sample, likewise, through which a second pipeline
	// brings the lines of the receiver to otlp; empty: there is none.
	Raw string
}

// NewSettings returns settings with free ports, the kernel pack and a lookback of
// 0s: what was in the kernel's log before, of other tests for example, does not
// count.
func NewSettings(t testing.TB) Settings {
	t.Helper()
	run := shortTempDir(t)
	return Settings{
		Status: process.FreeAddress(t), Metrics: process.FreeAddress(t),
		Run: run, Socket: filepath.Join(run, "otelnpd.sock"), StateDir: "none", Lookback: "0s", Packs: "kernel",
	}
}

// shortTempDir is a temporary directory whose path leaves room for a socket's name:
// t.TempDir's contains the test's.
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "otelnpd-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// YAML returns the configuration: the kernel's log to all exporters.
func (s Settings) YAML() string {
	rules := ""
	if s.Rules != "" {
		rules = ", " + s.Rules
	}
	conditions, more, exporters := "", "", "console, prometheus, status"
	if s.Conditions != "" {
		conditions = "conditions: " + s.Conditions + "\n"
	}
	capabilities := ""
	if s.Capabilities != "" {
		capabilities = "  capabilities: " + s.Capabilities + "\n"
	}
	if s.Kubernetes != "" {
		more = "  kubernetes: " + s.Kubernetes + "\n"
		exporters += ", kubernetes"
	}
	if s.OTLP != "" {
		more += "  otlp: " + s.OTLP + "\n"
		exporters += ", otlp"
	}
	receiver, keys, host := "kmsg", "{lookback: "+s.Lookback+s.KmsgKeys+"}", "run: '"+s.Run+"'"
	if s.Pstore != "" {
		receiver, keys = "pstore", s.Pstore
	}
	if s.Filelog != "" {
		receiver, keys = "filelog", s.Filelog
	}
	if s.Journald != "" {
		receiver, keys = "journald", s.Journald
	}
	if s.Health != "" {
		receiver, keys = "health", s.Health
	}
	if s.Host != "" {
		host += ", " + s.Host
	}
	receivers := ""
	if s.Hoststats != "" {
		receivers = "  hoststats: " + s.Hoststats + "\n"
	}
	sample, raw := "", ""
	if s.Raw != "" {
		sample = "  sample: " + s.Raw + "\n"
		raw = "    logs/raw: {receivers: [" + receiver + "], processors: [sample], exporters: [otlp]}\n"
	}
	return conditions + `receivers:
  ` + receiver + `: ` + keys + `
` + receivers + `processors:
  rules: {packs: [` + s.Packs + `]` + rules + `}
` + sample + `exporters:
  console: {output: json` + s.ConsoleKeys + `}
  prometheus: {endpoint: '` + s.Metrics + `'` + s.PrometheusKeys + `}
  status: {endpoint: '` + s.Status + `'` + s.StatusKeys + `}
` + more + `service:
  node: '` + s.Node + `'
  host: {` + host + `}
  socket: '` + s.Socket + `'
  state_dir: '` + s.StateDir + `'
` + capabilities + `  pipelines:
    logs: {receivers: [` + receiver + `], exporters: [` + exporters + `]}
` + raw + s.metrics()
}

// metrics is what the configuration's service says of metrics.
func (s Settings) metrics() (yaml string) {
	if s.Hoststats != "" && s.MetricsPipeline == "" {
		yaml = "    metrics: {receivers: [hoststats], exporters: [prometheus]}\n"
	}
	if s.MetricsPipeline != "" {
		yaml = "    metrics: " + s.MetricsPipeline + "\n"
	}
	if s.Naming != "" {
		yaml += "  telemetry: {naming: " + s.Naming + "}\n"
	}
	return yaml
}

// Durable returns settings for an agent that keeps its state, in a directory of the
// test's, and whose configuration file stays where it is, to be changed.
func (s Settings) Durable(t testing.TB) Settings {
	t.Helper()
	s.StateDir = filepath.Join(t.TempDir(), "state")
	s.Config = filepath.Join(t.TempDir(), "otelnpd.yaml")
	return s
}

// WriteConfig writes the configuration into a file, in one step, and returns its
// path.
func (s Settings) WriteConfig(t testing.TB) string {
	t.Helper()
	path := s.Config
	if path == "" {
		path = filepath.Join(t.TempDir(), "otelnpd.yaml")
	}
	require.NoError(t, s.Save(path))
	return path
}

// Save writes the configuration into a file, in one step.
func (s Settings) Save(path string) error {
	if err := os.WriteFile(path+".new", []byte(s.YAML()), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// KubernetesKeys are keys of the exporter kubernetes: a kubeconfig's path, and more
// in YAML flow style, without braces.
func KubernetesKeys(kubeconfig string, more ...string) string {
	keys := append([]string{"apiserver: {credentials: kubeconfig, kubeconfig: '" + kubeconfig + "'}"}, more...)
	return "{" + strings.Join(keys, ", ") + "}"
}
