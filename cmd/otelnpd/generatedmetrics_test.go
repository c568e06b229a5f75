package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// metricRow is one metric of the page.
type metricRow struct {
	prometheus, instrument, kind, unit, meaning string
	labels, components                          []string
}

const metricsHead = `# Metrics

What an agent with every component tells at the prometheus exporter's /metrics. This page is made from a running agent
(` + "`make generate`" + `); what the values of labels mean stands in the components' READMEs. An OpenTelemetry attribute's dots are underscores
in the label.

**Comes and goes** marks a metric that has series only while what it tells of lasts: without them a query finds nothing, which means that
there is none of it. All others stay once they are there; a counter without a zero begins with what it counts first.

| metric | instrument | kind | unit | labels | meaning | made by |
|---|---|---|---|---|---|---|
`

func TestGeneratedMetrics(t *testing.T) {
	a := everyComponent(t)
	var rows []metricRow
	var missing []string
	t.Cleanup(func() {
		if len(missing) > 0 {
			t.Log("without a series its labels are not known: make the agent of this test tell of", missing)
		}
	})
	eventually(t, "every instrument but that of a time that has not passed to have a series", func() bool {
		_, missing = metricRows(t, a.telemetry)
		return slices.Equal(missing, []string{"system.cpu.utilization"})
	})
	passTime(t, a.options.config.Service.Host.Proc)
	eventually(t, "every instrument to have a series", func() bool {
		rows, missing = metricRows(t, a.telemetry)
		return len(missing) == 0
	})
	passing := comeAndGo(t, a, rows)
	var page strings.Builder
	page.WriteString(metricsHead)
	for _, row := range rows {
		if slices.Contains(passing, row.prometheus) {
			row.meaning = "**Comes and goes**: " + row.meaning
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | %s | %s | %s |\n", row.prometheus, code(row.instrument), row.kind,
			code(row.unit), code(row.labels...), strings.TrimSuffix(row.meaning, "."), strings.Join(row.components, ", "))
	}
	page.WriteString(pushedHead)
	for _, row := range pushedRows(t, a.telemetry) {
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", code(row.instrument), row.kind, code(row.unit), code(row.labels...), strings.TrimSuffix(row.meaning, "."))
	}
	requireGenerated(t, "docs/metrics.md", page.String())
}

const pushedHead = `
## Of the agent's own process, pushed

Exporters that push (otlp) send the process by OpenTelemetry's semantic conventions, beside the metrics above by their instruments'
names. Prometheus has the process by the names of its own.

| metric | kind | unit | attributes | meaning |
|---|---|---|---|---|
`

// pushedRows returns the metrics that are pushed alone.
func pushedRows(t *testing.T, from *telemetry.Telemetry) (rows []metricRow) {
	t.Helper()
	scopes, err := from.Producer(telemetry.Process).Produce(t.Context())
	require.NoError(t, err)
	made := map[string]telemetry.Instrument{}
	for _, instrument := range from.Instruments() {
		if instrument.Prometheus == "" {
			made[instrument.Name] = instrument
		}
	}
	for _, scope := range scopes {
		for _, read := range scope.Metrics {
			instrument := made[read.Name]
			delete(made, read.Name)
			rows = append(rows, metricRow{instrument: read.Name, kind: kindName(instrument.Kind), unit: read.Unit, labels: attributesOf(t, read), meaning: read.Description})
		}
	}
	require.Empty(t, made, "not read")
	slices.SortFunc(rows, func(a, b metricRow) int { return strings.Compare(a.instrument, b.instrument) })
	return rows
}

// attributesOf returns the names of the attributes of a metric's first point.
func attributesOf(t *testing.T, read metricdata.Metrics) (names []string) {
	t.Helper()
	var set attribute.Set
	switch data := read.Data.(type) {
	case metricdata.Sum[int64]:
		set = data.DataPoints[0].Attributes
	case metricdata.Sum[float64]:
		set = data.DataPoints[0].Attributes
	case metricdata.Gauge[float64]:
		set = data.DataPoints[0].Attributes
	default:
		t.Fatalf("%s is a %T", read.Name, data)
	}
	for _, one := range set.ToSlice() {
		names = append(names, string(one.Key))
	}
	return names
}

// comeAndGo ends all that goes on in an agent, and returns those of its metrics that
// have no series then.
func comeAndGo(t *testing.T, a *agent, rows []metricRow) (gone []string) {
	t.Helper()
	_, err := a.store.Unsilence("kernel/docker-hung")
	require.NoError(t, err)
	for _, conditionType := range a.types() {
		require.NoError(t, a.store.Clear(t.Context(), conditionType, "test"))
	}
	families, err := a.telemetry.Gatherer().Gather()
	require.NoError(t, err)
	left := map[string]bool{}
	for _, family := range families {
		left[family.GetName()] = true
	}
	for _, row := range rows {
		if !left[row.prometheus] {
			gone = append(gone, row.prometheus)
		}
	}
	return gone
}

func code(words ...string) string {
	return strings.ReplaceAll("`"+strings.Join(words, "`, `")+"`", "``", "")
}

// everyComponent starts an agent that has one component of each type that is built
// in, on a FIFO in place of the kernel's log and with an API server that is not
// there.
func everyComponent(t *testing.T) *agent {
	t.Helper()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "kmsg")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	port := freePort(t)
	loaded, err := config.Parse([]byte(everyComponentYAML(t, dir, fifo, port)), "every component", configFactories())
	require.NoError(t, err)
	boot, err := pipeline.ReadBoot(loaded.Service.Host, pipeline.SystemClock{})
	require.NoError(t, err)
	a, err := newAgent(agentOptions{
		config: loaded, logger: slog.New(slog.DiscardHandler), clock: pipeline.SystemClock{}, boot: boot, node: "node-1",
		console: consoleTarget{writer: io.Discard}, stateDir: filepath.Join(dir, "state"),
	})
	require.NoError(t, err)
	require.NoError(t, a.start(t.Context()))
	t.Cleanup(func() { _ = a.shutdown() }) // it does not get rid of what the API server is to take
	_, err = a.store.Silence("kernel/docker-hung", time.Hour, "test")
	require.NoError(t, err)
	ask(t, "http://127.0.0.1:"+port+"/")
	file, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString("6,1,1000000,-;Linux version 6.12.0\n" + recordNow(2, "INFO: task docker:7 blocked for more than 120 seconds."))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return a
}

// ask has a page answered, for the metrics of those who serve pages.
func ask(t *testing.T, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// everyComponentYAML declares each type that is built in; what is to be set apart
// from the defaults, so that nothing of this machine is touched, stands here.
func everyComponentYAML(t *testing.T, dir, fifo, port string) string {
	t.Helper()
	set := map[string]string{
		"receivers.kmsg":        "{path: '" + fifo + "'}",
		"receivers.plugin":      "{checks: [{id: figures, path: /bin/echo, args: ['{\"status\": \"ok\", \"instance\": \"a\", \"metrics\": {\"used\": 1}}'], output: json, reason: Broken}]}",
		"receivers.pstore":      "{path: /none, archive: ''}",
		"receivers.health":      "{interval: 1s, kubelet: {url: 'http://127.0.0.1:1/'}, repair: {enabled: true, dry_run: true}}",
		"receivers.filelog":     "{include: ['" + fifo + ".log']}",
		"receivers.hoststats":   "{interval: 1s}",
		"processors.rules":      "{packs: [kernel], rules: [{id: down, pattern: link down, reason: LinkDown, condition: LinkDown, clear: {by: recovery, pattern: link up}}]}",
		"exporters.googlecloud": refusingGoogleCloud(t),
		"exporters.kubernetes":  "{apiserver: {credentials: none, server: 'http://127.0.0.1:1'}}",
		"exporters.otlp":        "{endpoint: 'http://127.0.0.1:1', resource: {detectors: []}}",
		"exporters.prometheus":  "{endpoint: '127.0.0.1:" + port + "'}",
		"exporters.status":      "{endpoint: '127.0.0.1:0'}",
	}
	file, _ := described(t)
	var out strings.Builder
	out.WriteString("conditions: {LinkDown: {healthy: {reason: LinkIsUp}}}\n")
	for _, section := range componentSections() {
		fmt.Fprintf(&out, "%s:\n", section)
		for _, name := range file.Key(section).Types() {
			fmt.Fprintf(&out, "  %s: %s\n", name, cmp.Or(set[section+"."+name], "{}"))
		}
	}
	node := recordedNode(t) // a kernel that has all there is to tell of
	fmt.Fprintf(&out, "service:\n  telemetry: {naming: both}\n  host: {proc: '%s/proc', sys: '%s/sys', run: '%s'}\n  pipelines:\n", node, node, dir)
	for _, pipelineType := range []string{pipeline.PipelineLogs, pipeline.PipelineMetrics} {
		receivers, exporters := typesIn(pipelineType)
		fmt.Fprintf(&out, "    %s: {receivers: [%s], exporters: [%s]}\n", pipelineType, strings.Join(receivers, ", "), strings.Join(exporters, ", "))
	}
	out.WriteString("    logs/raw: {receivers: [kmsg], processors: [sample], exporters: [otlp]}\n")
	return out.String()
}

// refusingGoogleCloud are the keys of an exporter to a Cloud Monitoring that writes all
// but one point of each request.
func refusingGoogleCloud(t *testing.T) string {
	t.Helper()
	server := googlecloudtest.Start(t)
	server.Answer(func(_ context.Context, request *monitoringpb.CreateTimeSeriesRequest) error {
		return googlecloudtest.Partial(len(request.GetTimeSeries()), 1, codes.InvalidArgument, "no")
	})
	return "{endpoint: 'http://" + server.Address + "', project: a-project-1, period: 5s, custom_metric_prefix: '', " +
		"resource: {type: gce_instance, zone: a, instance_id: '1', instance_name: a}}"
}

// typesIn are the types of receivers and exporters that may stand in a type of
// pipelines.
func typesIn(pipelineType string) (receivers, exporters []string) {
	for name, factory := range configFactories().Receivers {
		if factory.Signals.Has(pipelineType) {
			receivers = append(receivers, name)
		}
	}
	for name, factory := range configFactories().Exporters {
		if factory.Signals.Has(pipelineType) {
			exporters = append(exporters, name)
		}
	}
	slices.Sort(receivers)
	slices.Sort(exporters)
	return receivers, exporters
}

// metricRows returns the metrics that an agent serves, and the instruments that
// have no series yet.
func metricRows(t *testing.T, from *telemetry.Telemetry) (rows []metricRow, missing []string) {
	t.Helper()
	families, err := from.Gatherer().Gather()
	require.NoError(t, err)
	served := map[string]*metricRow{}
	for _, family := range families {
		served[family.GetName()] = &metricRow{
			prometheus: family.GetName(), kind: strings.ToLower(family.GetType().String()),
			meaning: family.GetHelp(), labels: labelsOf(t, family),
		}
	}
	for _, made := range from.Instruments() {
		if made.Prometheus == "" {
			continue // pushedRows has them
		}
		row, ok := served[made.Prometheus]
		if !ok {
			missing = append(missing, made.Name)
			continue
		}
		require.NotEmpty(t, made.Description, "%s has no description", made.Name)
		require.Equal(t, made.Description, row.meaning)
		row.instrument, row.kind, row.unit = made.Name, kindName(made.Kind), made.Unit
		if maker := strings.TrimPrefix(made.Scope, "github.com/otelnpd/otelnpd/"); !slices.Contains(row.components, maker) {
			row.components = append(row.components, maker)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(served)) {
		row := served[name]
		if row.instrument == "" {
			requireOfTheRegistry(t, name)
			row.components = []string{"pipeline/telemetry"}
		}
		rows = append(rows, *row)
	}
	return rows, missing
}

// requireOfTheRegistry checks that a metric without instrument is one of the few that
// the registry has of its own.
func requireOfTheRegistry(t *testing.T, name string) {
	t.Helper()
	own := name == "target_info" || name == "go_goroutines" || strings.HasPrefix(name, "process_")
	require.True(t, own, "no instrument is known of the metric %s", name)
}

// labelsOf returns the labels of a metric, which all of its series have.
func labelsOf(t *testing.T, family *dto.MetricFamily) []string {
	t.Helper()
	var labels []string
	for i, metric := range family.GetMetric() {
		var own []string
		for _, label := range metric.GetLabel() {
			own = append(own, label.GetName())
		}
		if slices.Sort(own); i == 0 {
			labels = own
		}
		require.Equal(t, labels, own, "two series of %s have different labels", family.GetName())
	}
	return labels
}

func kindName(kind sdkmetric.InstrumentKind) string {
	switch kind {
	case sdkmetric.InstrumentKindCounter, sdkmetric.InstrumentKindObservableCounter:
		return "counter"
	case sdkmetric.InstrumentKindUpDownCounter, sdkmetric.InstrumentKindObservableUpDownCounter:
		return "up-down counter"
	case sdkmetric.InstrumentKindHistogram:
		return "histogram"
	case sdkmetric.InstrumentKindGauge, sdkmetric.InstrumentKindObservableGauge:
		return "gauge"
	default:
		return kind.String()
	}
}
