package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

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
	cmd.Env = append(os.Environ(), settings.Environment...)
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
