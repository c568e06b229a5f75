// Package googlecloud tests the dashboards beside it.
package googlecloud

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/monitoring/dashboard/apiv1/dashboardpb"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/exporters/googlecloud"
	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
)

// written is what is written of a metric type: its kind and the labels of its series.
type written struct {
	kind   string
	labels []string
}

// dashboardCase is a dashboard and what it may ask for.
type dashboardCase struct {
	resource       string
	resourceLabels []string
	types          map[string]written
}

func dashboardCases(t *testing.T) map[string]dashboardCase {
	t.Helper()
	return map[string]dashboardCase{
		"dashboard.json":     {"k8s_node", []string{"project_id", "location", "cluster_name", "node_name"}, customTypes(t)},
		"dashboard-npd.json": {"gce_instance", []string{"project_id", "zone", "instance_id"}, googlesTypes(t)},
	}
}

// customTypes are those of all metrics by the default prefix, as the page on metrics
// has them, which is made from a running agent. What other exporters alone push stands at
// its end.
func customTypes(t *testing.T) map[string]written {
	t.Helper()
	types := map[string]written{}
	row := regexp.MustCompile("(?m)^\\|(?: `[^`]*` \\|)? `([^`]+)` \\| (counter|gauge|up-down counter|histogram) \\|[^|]*\\| ([^|]*) \\|")
	page, _, cut := strings.Cut(read(t, "docs/metrics.md"), "\n## Of the agent's own process, pushed\n")
	require.True(t, cut)
	for _, found := range row.FindAllStringSubmatch(page, -1) {
		kind := map[string]string{"counter": "CUMULATIVE", "histogram": "DISTRIBUTION"}[found[2]]
		if kind == "" {
			kind = "GAUGE"
		}
		var labels []string
		for label := range strings.SplitSeq(found[3], ", ") {
			labels = append(labels, strings.ReplaceAll(strings.Trim(label, "`"), ".", "_"))
		}
		types[googlecloud.DefaultConfig().CustomMetricPrefix+"/"+found[1]] = written{kind, labels}
	}
	require.Greater(t, len(types), 100)
	return types
}

// googlesTypes are those that Google has for node-problem-detector's metrics.
func googlesTypes(t *testing.T) map[string]written {
	t.Helper()
	types := map[string]written{}
	for line := range strings.Lines(read(t, "exporters/googlecloud/testdata/npd.txt")) {
		if f := strings.Fields(line); !strings.HasPrefix(line, "#") {
			types[f[4]] = written{f[5], append(strings.Split(f[3], ","), "instance_name")}
		}
	}
	require.Greater(t, len(types), 40)
	return types
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	require.NoError(t, err)
	return string(text)
}

func readDashboard(t *testing.T, name string) *dashboardpb.Dashboard {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var dashboard dashboardpb.Dashboard
	require.NoError(t, protojson.Unmarshal(text, &dashboard), "an unknown field, or a word that is none")
	return &dashboard
}

// Each dashboard is one that the API takes, and asks for nothing but what the exporter
// writes: metric types, their labels, and rates of counters alone.
func TestDashboards(t *testing.T) {
	for name, c := range dashboardCases(t) {
		t.Run(name, func(t *testing.T) {
			dashboard := readDashboard(t, name)
			require.NotEmpty(t, dashboard.GetDisplayName())
			requireTiled(t, dashboard.GetMosaicLayout())
			filters := queries(t, dashboard)
			require.Greater(t, len(filters), 15)
			for _, q := range filters {
				c.requireWritten(t, q)
			}
			for _, filter := range dashboard.GetDashboardFilters() {
				if filter.GetFilterType() == dashboardpb.DashboardFilter_METRIC_LABEL {
					require.Equal(t, "gce_instance", c.resource)
					require.Equal(t, "instance_name", filter.GetLabelKey(), "all series have it")
					continue
				}
				require.Equal(t, dashboardpb.DashboardFilter_RESOURCE_LABEL, filter.GetFilterType())
				require.Contains(t, c.resourceLabels, filter.GetLabelKey())
			}
		})
	}
}

// query is one that a widget draws, and the legend of what it draws.
type query struct {
	widget, legend string
	*dashboardpb.TimeSeriesFilter
}

// queries returns those of all widgets, of which there must be one in each.
func queries(t *testing.T, dashboard *dashboardpb.Dashboard) (all []query) {
	t.Helper()
	for _, tile := range dashboard.GetMosaicLayout().GetTiles() {
		widget := tile.GetWidget()
		require.NotEmpty(t, widget.GetTitle())
		before := len(all)
		for _, set := range widget.GetXyChart().GetDataSets() {
			all = append(all, query{widget.GetTitle(), set.GetLegendTemplate(), set.GetTimeSeriesQuery().GetTimeSeriesFilter()})
		}
		for _, set := range widget.GetTimeSeriesTable().GetDataSets() {
			all = append(all, query{widget.GetTitle(), "", set.GetTimeSeriesQuery().GetTimeSeriesFilter()})
		}
		require.True(t, len(all) > before || proto.Size(widget.GetSectionHeader()) > 0, widget.GetTitle())
	}
	return all
}

var (
	filterForm    = regexp.MustCompile(`^metric\.type="([^"]+)" resource\.type="([^"]+)"((?: metric\.label\."[a-z0-9_]+"!?=(?:"[^"]+"|monitoring\.regex\.full_match\("[^"]+"\)))*)$`)
	labelInFilter = regexp.MustCompile(`(metric|resource)\.label\."([a-z0-9_]+)"`)
	labelInLegend = regexp.MustCompile(`\$\{(metric|resource)\.labels\.([a-z0-9_]+)\}`)
)

func (c dashboardCase) requireWritten(t *testing.T, q query) {
	t.Helper()
	parts := filterForm.FindStringSubmatch(q.GetFilter())
	require.NotNil(t, parts, "%s: %s", q.widget, q.GetFilter())
	require.Equal(t, c.resource, parts[2], q.widget)
	metric, there := c.types[parts[1]]
	require.True(t, there, "%s: %s is not written", q.widget, parts[1])
	c.requireLabels(t, q.widget, metric, labelInFilter.FindAllStringSubmatch(parts[3], -1))
	aggregation := q.GetAggregation()
	group := strings.Join(aggregation.GetGroupByFields(), " ")
	grouped := labelInFilter.FindAllStringSubmatch(group, -1)
	require.Len(t, grouped, len(aggregation.GetGroupByFields()), group)
	c.requireLabels(t, q.widget, metric, grouped)
	for _, label := range labelInLegend.FindAllStringSubmatch(q.legend, -1) {
		require.Contains(t, group, label[1]+`.label."`+label[2]+`"`, "%s: the legend tells what is not told apart", q.widget)
	}
	require.Contains(t, alignersOf(metric.kind), aggregation.GetPerSeriesAligner(), "%s: %s is a %s", q.widget, parts[1], metric.kind)
	require.NotZero(t, aggregation.GetCrossSeriesReducer(), q.widget)
	require.GreaterOrEqual(t, aggregation.GetAlignmentPeriod().GetSeconds(), int64(60), "%s: a point comes each minute", q.widget)
}

func (c dashboardCase) requireLabels(t *testing.T, widget string, metric written, labels [][]string) {
	t.Helper()
	for _, label := range labels {
		have := metric.labels
		if label[1] == "resource" {
			have = c.resourceLabels
		}
		require.Contains(t, have, label[2], widget)
	}
}

// alignersOf are those that make sense for a kind: the total of a counter since its
// start tells nothing.
func alignersOf(kind string) []dashboardpb.Aggregation_Aligner {
	if kind == "CUMULATIVE" {
		return []dashboardpb.Aggregation_Aligner{dashboardpb.Aggregation_ALIGN_RATE, dashboardpb.Aggregation_ALIGN_DELTA}
	}
	return []dashboardpb.Aggregation_Aligner{
		dashboardpb.Aggregation_ALIGN_MEAN, dashboardpb.Aggregation_ALIGN_MAX, dashboardpb.Aggregation_ALIGN_MIN, dashboardpb.Aggregation_ALIGN_NEXT_OLDER,
	}
}

// requireTiled requires that no tile lies on another, or beyond the last column.
func requireTiled(t *testing.T, layout *dashboardpb.MosaicLayout) {
	t.Helper()
	require.NotEmpty(t, layout.GetTiles())
	taken := map[[2]int32]string{}
	for _, tile := range layout.GetTiles() {
		title := tile.GetWidget().GetTitle()
		require.Positive(t, tile.GetWidth()*tile.GetHeight(), title)
		require.LessOrEqual(t, tile.GetXPos()+tile.GetWidth(), layout.GetColumns(), title)
		for x := tile.GetXPos(); x < tile.GetXPos()+tile.GetWidth(); x++ {
			for y := tile.GetYPos(); y < tile.GetYPos()+tile.GetHeight(); y++ {
				require.Empty(t, taken[[2]int32{x, y}], title)
				taken[[2]int32{x, y}] = title
			}
		}
	}
}

// The chart's preset for Google Kubernetes Engine writes all that its dashboard asks for,
// and chooses nothing that the dashboard does not show.
func TestDashboardHasWhatThePresetWrites(t *testing.T) {
	var preset struct {
		Config struct {
			Exporters struct {
				Googlecloud googlecloud.Config
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "deploy/helm/otelnpd/presets/gke.yaml")), &preset))
	exporter := preset.Config.Exporters.Googlecloud
	require.Equal(t, googlecloud.K8sNode, exporter.Resource.Type)
	require.NotEmpty(t, exporter.Include)
	unused := slices.Clone(exporter.Include)
	types := map[string]bool{}
	for _, q := range queries(t, readDashboard(t, "dashboard.json")) {
		name := strings.TrimPrefix(filterForm.FindStringSubmatch(q.GetFilter())[1], "workload.googleapis.com/")
		types[name] = true
		require.True(t, exporter.Match(name), "%s: the preset does not write %s", q.widget, name)
	}
	for name := range types {
		unused = slices.DeleteFunc(unused, func(pattern string) bool {
			return metricfilter.Config{Include: []string{pattern}}.Match(name)
		})
	}
	require.Empty(t, unused, "the preset pays for what no chart shows")
}
