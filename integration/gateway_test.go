package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// The gateway of deploy/collector makes logs and metrics of what an agent ships.
func TestGateway(t *testing.T) {
	root, err := agent.Root()
	require.NoError(t, err)
	gateway := servers.StartGateway(t, filepath.Join(root, "deploy/collector/gateway.yaml"))
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	settings := agent.NewSettings(t)
	settings.Node, settings.Packs = "node-1", ""
	settings.Filelog = "{include: ['" + log.Name() + "'], start_at: beginning}"
	settings.Conditions = "{Hang: {healthy: {reason: NoHang}}}"
	settings.Rules = "rules: [{id: p, pattern: PROBLEM, reason: Problem}, {id: h, pattern: HUNG, condition: Hang, reason: Hung, clear: {by: recovery, pattern: WORKS}}]"
	settings.OTLP = otlpKeys("http://" + gateway.GRPC)
	agent.StartReady(t, binary, settings)
	_, err = log.WriteString("PROBLEM\nPROBLEM\nHUNG\nWORKS\n")
	require.NoError(t, err)
	want := []string{
		"otelnpd.condition.count Hang false node-1 1", "otelnpd.condition.count Hang node-1 true 1",
		"otelnpd.problem.count Problem node-1 2",
	}
	var counts []string
	require.Eventually(t, func() bool {
		counts = countsOf(t, gateway)
		return slices.Equal(counts, want)
	}, patience, tick, "%v", counts)
	var events map[string]int
	require.Eventually(t, func() bool {
		events = eventsOf(t, gateway)
		return events["otelnpd.problem"] >= 2 && events["otelnpd.condition.transition"] >= 2
	}, patience, tick)
	require.Equal(t, 2, events["otelnpd.problem"])
}

// eventsOf counts the events that the gateway has passed on, by their names.
func eventsOf(t *testing.T, gateway *servers.Collector) map[string]int {
	t.Helper()
	events := map[string]int{}
	for _, resource := range gateway.Logs(t) {
		for _, scope := range resource.GetScopeLogs() {
			for _, record := range scope.GetLogRecords() {
				events[record.GetEventName()]++
			}
		}
	}
	return events
}

// countsOf sums up what the gateway has counted: a line has the metric, its attributes'
// values by their names, and the sum.
func countsOf(t *testing.T, gateway *servers.Collector) (list []string) {
	t.Helper()
	lines, err := gateway.Received()
	require.NoError(t, err)
	sums := map[string]int64{}
	for _, line := range lines {
		batch := &metricspb.MetricsData{}
		require.NoError(t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(line), batch), "%s", line)
		for _, resource := range batch.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, metric := range scope.GetMetrics() {
					addCounts(sums, metric)
				}
			}
		}
	}
	for name, sum := range sums {
		list = append(list, name+fmt.Sprint(" ", sum))
	}
	slices.Sort(list)
	return list
}

func addCounts(sums map[string]int64, metric *metricspb.Metric) {
	if !strings.HasPrefix(metric.GetName(), "otelnpd.") || !strings.HasSuffix(metric.GetName(), ".count") {
		return
	}
	for _, point := range metric.GetSum().GetDataPoints() {
		words := []string{metric.GetName()}
		var values []string
		for _, attribute := range point.GetAttributes() {
			values = append(values, attribute.GetValue().GetStringValue())
		}
		slices.Sort(values)
		sums[strings.Join(append(words, values...), " ")] += point.GetAsInt()
	}
}

func TestRulesOfPrometheus(t *testing.T) {
	root, err := agent.Root()
	require.NoError(t, err)
	path := func(name string) string { return filepath.Join(root, "deploy/prometheus", name) }
	servers.TestRules(t, path("rules_test.yaml"), path("alerts.yaml"), path("recording.yaml"))
}
