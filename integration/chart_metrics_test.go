package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/monitoring/dashboard/apiv1/dashboardpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// The preset collector sends the node's figures by the names of semantic conventions, and
// serves them by these.
func (s chartTests) collector(t *testing.T) {
	gateway := servers.StartCollector(t)
	around := outside{configure: func(config servers.Object) {
		config.At("exporters", "otlp").(map[string]any)["endpoint"] = "http://" + gateway.GRPC
		config.At("exporters", "otlp").(map[string]any)["metrics"] = map[string]any{"interval": "1s"}
	}}
	p := s.startPodIn(t, around, "node-collector", "--values", chart+"/presets/collector.yaml")
	p.requireServed(t, "system_cpu_time_seconds_total", "system_memory_usage_bytes", "system_uptime_seconds")
	require.NotContains(t, p.MetricsText(t), "\ncpu_usage_time")
	require.Eventually(t, func() bool {
		var names []string
		for _, resource := range gateway.Metrics(t) {
			for _, scope := range resource.GetScopeMetrics() {
				for _, metric := range scope.GetMetrics() {
					names = append(names, metric.GetName())
				}
			}
		}
		told := " " + strings.Join(names, " ") + " "
		return strings.Contains(told, " system.cpu.time ") && strings.Contains(told, " k8s.node.condition.status ")
	}, patience, tick)
}

// requireServed waits until the agent serves metrics to Prometheus, and requires that
// nothing of the node was out of its reach.
func (p *podAgent) requireServed(t *testing.T, names ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		served := p.MetricsText(t)
		for _, name := range names {
			if !strings.Contains(served, "\n# TYPE "+name+" ") {
				return false
			}
		}
		return true
	}, patience, tick, "%v", names)
	require.Contains(t, p.MetricsText(t), `otelnpd_component_up{component="hoststats",kind="receiver"} 1`)
}

// unseen are metrics of the dashboard that the preset writes no series of, unless it is
// given more of the node, or something is wrong.
var unseen = regexp.MustCompile(`/(system\.(filesystem|network)\..*|otelnpd\.receiver\.lost_records)$`)

// The preset gke writes what its dashboard asks for: each type, with the labels by which it
// is drawn; and nothing of it is refused.
func (s chartTests) gke(t *testing.T) {
	g := startGoogle(t)
	around := outside{environment: g.environment, configure: func(config servers.Object) {
		exporter := config.At("exporters", "googlecloud").(map[string]any)
		exporter["endpoint"], exporter["period"] = g.Address, "5s"
		config.At("receivers", "hoststats").(map[string]any)["interval"] = "1s"
	}}
	p := s.startPodIn(t, around, "node-gke", "--values", chart+"/presets/gke.yaml")
	p.kernelSays(t, "INFO: task docker:20744 blocked for more than 120 seconds.")
	asked := 0
	for metricType, groups := range drawn(t, "dashboard.json") {
		if unseen.MatchString(metricType) || strings.Contains(metricType, "/system.disk.") && !hasDisks(t) {
			continue
		}
		asked++
		require.Eventually(t, func() bool { return len(g.of(metricType)) > 0 }, 90*time.Second, 100*time.Millisecond, metricType)
		series := g.of(metricType)[0]
		require.Equal(t, "k8s_node", series.GetResource().GetType())
		labels := map[string]string{}
		for label := range series.GetMetric().GetLabels() {
			labels[`metric.label."`+label+`"`] = ""
		}
		for label := range series.GetResource().GetLabels() {
			labels[`resource.label."`+label+`"`] = ""
		}
		for _, label := range groups {
			require.Contains(t, labels, label, metricType)
		}
	}
	require.Greater(t, asked, 10)
	require.Empty(t, g.Refused())
	require.Empty(t, g.Others())
	require.NotContains(t, p.Log(), "exporter googlecloud is degraded")
}

// drawn are the metric types of a dashboard with all labels by which they are grouped.
func drawn(t *testing.T, name string) map[string][]string {
	t.Helper()
	root, err := agent.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "deploy/googlecloud", name))
	require.NoError(t, err)
	var dashboard dashboardpb.Dashboard
	require.NoError(t, protojson.Unmarshal(text, &dashboard))
	types := map[string][]string{}
	note := func(query *dashboardpb.TimeSeriesQuery) {
		filter := query.GetTimeSeriesFilter()
		metricType, _, _ := strings.Cut(strings.TrimPrefix(filter.GetFilter(), `metric.type="`), `"`)
		types[metricType] = append(types[metricType], filter.GetAggregation().GetGroupByFields()...)
	}
	for _, tile := range dashboard.GetMosaicLayout().GetTiles() {
		for _, set := range tile.GetWidget().GetXyChart().GetDataSets() {
			note(set.GetTimeSeriesQuery())
		}
		for _, set := range tile.GetWidget().GetTimeSeriesTable().GetDataSets() {
			note(set.GetTimeSeriesQuery())
		}
	}
	return types
}

func hasDisks(t *testing.T) bool {
	t.Helper()
	disks, err := os.ReadDir("/sys/block")
	require.NoError(t, err)
	return len(disks) > 0
}
