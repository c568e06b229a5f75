package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// Settings are where one agent of a test listens. Its configuration is made from
// them.
type Settings struct {
	// Status and Metrics are addresses (HOST:PORT), Socket is the operator's.
	Status, Metrics, Socket string
	// Lookback of the receiver kmsg: boot, or a duration.
	Lookback string
	// Conditions are the top-level key conditions, and Rules more keys of the
	// processor rules, in YAML flow style.
	Conditions, Rules string
}

// NewSettings returns settings with free ports and a lookback of 0s: what was in
// the kernel's log before, of other tests for example, does not count.
func NewSettings(t testing.TB) Settings {
	t.Helper()
	return Settings{
		Status: process.FreeAddress(t), Metrics: process.FreeAddress(t),
		Socket: filepath.Join(shortTempDir(t), "otelnpd.sock"), Lookback: "0s",
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

// YAML returns the configuration: the kernel's log, the kernel pack, all exporters.
func (s Settings) YAML() string {
	rules := ""
	if s.Rules != "" {
		rules = ", " + s.Rules
	}
	conditions := ""
	if s.Conditions != "" {
		conditions = "conditions: " + s.Conditions + "\n"
	}
	return conditions + `receivers:
  kmsg: {lookback: ` + s.Lookback + `}
processors:
  rules: {packs: [kernel]` + rules + `}
exporters:
  console: {output: json}
  prometheus: {endpoint: '` + s.Metrics + `'}
  status: {endpoint: '` + s.Status + `', stall_limit: 1s}
service:
  socket: '` + s.Socket + `'
  pipelines:
    logs: {receivers: [kmsg], exporters: [console, prometheus, status]}
`
}

// WriteConfig writes the configuration into a file and returns its path.
func (s Settings) WriteConfig(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "otelnpd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(s.YAML()), 0o644))
	return path
}

// Agent is a running agent.
type Agent struct {
	*process.Process
	Settings
	// Console is its standard output.
	Console *Console
}

// Start starts the agent and returns at once. Its log is [process.Process.Log].
func Start(t testing.TB, binary string, settings Settings) *Agent {
	t.Helper()
	console := NewConsole()
	cmd := exec.Command(binary, "run", "--config", settings.WriteConfig(t))
	cmd.Stdout = console
	return &Agent{Process: process.Start(t, "otelnpd", cmd), Settings: settings, Console: console}
}

// StartReady starts the agent and returns once /readyz answers 200.
func StartReady(t testing.TB, binary string, settings Settings) *Agent {
	t.Helper()
	a := Start(t, binary, settings)
	a.WaitReady(t, a.Ready())
	return a
}

// Ready asks whether /readyz answers 200.
func (a *Agent) Ready() func(context.Context) error {
	return process.Answers200(http.DefaultClient, "http://"+a.Status+"/readyz", nil)
}

// Get returns the answer to a GET.
func Get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(content)
}

// Condition is an entry of /conditions, in node-problem-detector's shape.
type Condition struct {
	Type, Status, Transition, Reason, Message string
}

// Conditions returns what /conditions answers, by type.
func (a *Agent) Conditions(t testing.TB) map[string]Condition {
	t.Helper()
	status, body := Get(t, "http://"+a.Status+"/conditions")
	require.Equal(t, http.StatusOK, status, body)
	var list []Condition
	require.NoError(t, json.Unmarshal([]byte(body), &list), "%s", body)
	conditions := map[string]Condition{}
	for _, condition := range list {
		conditions[condition.Type] = condition
	}
	return conditions
}

// MetricsText returns what /metrics answers.
func (a *Agent) MetricsText(t testing.TB) string {
	t.Helper()
	status, body := Get(t, "http://"+a.Metrics+"/metrics")
	require.Equal(t, http.StatusOK, status, body)
	return body
}

// Sum returns the sum over all series of a counter or gauge that have the labels,
// and 0 where there is none.
func (a *Agent) Sum(t testing.TB, name string, labels map[string]string) float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.MetricsText(t)))
	require.NoError(t, err)
	var sum float64
	for _, metric := range families[name].GetMetric() {
		if hasLabels(metric, labels) {
			sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return sum
}

func hasLabels(metric *dto.Metric, labels map[string]string) bool {
	found := 0
	for _, pair := range metric.GetLabel() {
		if value, asked := labels[pair.GetName()]; asked && value == pair.GetValue() {
			found++
		}
	}
	return found == len(labels)
}
