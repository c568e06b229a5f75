package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/config"
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
	requireGenerated(t, "docs/metrics.md", page.String())
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
	loaded, err := config.Parse([]byte(everyComponentYAML(t, dir, fifo)), "every component", configFactories())
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
	file, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString("6,1,1000000,-;Linux version 6.12.0\n" + recordNow(2, "INFO: task docker:7 blocked for more than 120 seconds."))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return a
}

// everyComponentYAML declares each type that is built in; what is to be set apart
// from the defaults, so that nothing of this machine is touched, stands here.
func everyComponentYAML(t *testing.T, dir, fifo string) string {
	t.Helper()
	set := map[string]string{
		"receivers.kmsg":       "{path: '" + fifo + "'}",
		"receivers.pstore":     "{path: /none, archive: ''}",
		"receivers.filelog":    "{include: ['" + fifo + ".log']}",
		"processors.rules":     "{packs: [kernel], rules: [{id: down, pattern: link down, reason: LinkDown, condition: LinkDown, clear: {by: recovery, pattern: link up}}]}",
		"exporters.kubernetes": "{apiserver: {credentials: none, server: 'http://127.0.0.1:1'}}",
		"exporters.prometheus": "{endpoint: '127.0.0.1:0'}",
		"exporters.status":     "{endpoint: '127.0.0.1:0'}",
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
	fmt.Fprintf(&out, "service:\n  host: {run: '%s'}\n", dir)
	fmt.Fprintf(&out, "  pipelines: {logs: {receivers: [%s], exporters: [%s]}}\n",
		strings.Join(file.Key("receivers").Types(), ", "), strings.Join(file.Key("exporters").Types(), ", "))
	return out.String()
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
