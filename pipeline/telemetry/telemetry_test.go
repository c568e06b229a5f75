package telemetry_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTelemetry(t *testing.T) (*telemetry.Telemetry, *pipeline.StatusBoard) {
	t.Helper()
	board := pipeline.NewStatusBoard(pipeline.SystemClock{})
	made, err := telemetry.New(telemetry.Config{Version: "1.2.3", Revision: "abcdef", Node: "node-1", Board: board, ConfigWarnings: 3, ConfigRead: time.Unix(1_700_000_000, 0)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, made.Shutdown(context.Background())) })
	return made, board
}

// gather reads the whole registry, which must have no fault, as it is written
// in the text format: series → value.
func gather(t *testing.T, from prometheus.Gatherer) map[string]string {
	t.Helper()
	series := map[string]string{}
	for line := range strings.Lines(page(t, from)) {
		if at := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") {
			series[line[:at]] = strings.TrimSpace(line[at:])
		}
	}
	return series
}

func page(t *testing.T, from prometheus.Gatherer) string {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		require.NoError(t, encoder.Encode(family))
	}
	return text.String()
}

func TestAgentsOwnMetrics(t *testing.T) {
	made, board := newTelemetry(t)
	board.Set(pipeline.KindReceiver, pipeline.ID{Type: "kmsg"}, pipeline.Status{State: pipeline.ComponentOK})
	board.Set(pipeline.KindExporter, pipeline.ID{Type: "status", Name: "2"}, pipeline.Status{State: pipeline.ComponentDegraded})

	series := gather(t, made.Gatherer())
	require.Equal(t, "1", series[`otelnpd_component_up{component="kmsg",kind="receiver"}`])
	require.Equal(t, "0", series[`otelnpd_component_up{component="status/2",kind="exporter"}`])
	require.Contains(t, strings.Join(slices.Collect(maps.Keys(series)), "\n"),
		`otelnpd_build_info{goversion="go1.`)
	require.Equal(t, "1", series[`target_info{k8s_node_name="node-1",service_name="otelnpd",service_version="1.2.3"}`])
	require.Equal(t, "3", series["otelnpd_config_warnings"])
	require.Equal(t, "1.7e+09", series[`otelnpd_config_last_reload_time_seconds{outcome="success"}`])
	require.Equal(t, "1", series["otelnpd_config_last_reload_successful"])
	require.Len(t, series, 16, "an idle agent has few series")

	board.Set(pipeline.KindReceiver, pipeline.ID{Type: "kmsg"}, pipeline.Status{State: pipeline.ComponentDegraded})
	require.Equal(t, "0", gather(t, made.Gatherer())[`otelnpd_component_up{component="kmsg",kind="receiver"}`])
}

func TestReloadsAreTold(t *testing.T) {
	made, _ := newTelemetry(t)
	reloads := made.Reloads()
	told := func(name string) string { return gather(t, made.Gatherer())["otelnpd_config_"+name] }

	reloads.Failed(time.Unix(1_800_000_000, 0))
	require.Equal(t, "0", told("last_reload_successful"))
	require.Equal(t, "1.8e+09", told(`last_reload_time_seconds{outcome="failure"}`))
	require.Equal(t, "1.7e+09", told(`last_reload_time_seconds{outcome="success"}`))
	require.Equal(t, "1", told(`reloads_total{outcome="failure"}`))
	require.Equal(t, "3", told("warnings"), "what was refused does not run")

	reloads.Unchanged()
	require.Equal(t, "1", told("last_reload_successful"), "what is there runs")
	reloads.Succeeded(time.Unix(1_900_000_000, 0), 1)
	require.Equal(t, "1.9e+09", told(`last_reload_time_seconds{outcome="success"}`))
	require.Equal(t, "1", told("warnings"))
	require.Equal(t, "1", told(`reloads_total{outcome="success"}`))
	require.Equal(t, "1", told(`reloads_total{outcome="unchanged"}`))
}

// The real counters of the pipeline and of an outbox, made by several
// components' meters, and NPD's metrics: all in one Gather.
func TestBothFamiliesTogether(t *testing.T) {
	made, _ := newTelemetry(t)
	ctx := t.Context()
	for _, receiver := range []string{"kmsg", "journald/kernel"} {
		kind, _, _ := strings.Cut(receiver, "/")
		counter, err := made.Meters().Meter("receivers/"+kind).Int64Counter("otelnpd.receiver.accepted_records",
			metric.WithUnit("{record}"), metric.WithDescription("Accepted."))
		require.NoError(t, err)
		counter.Add(ctx, 3, metric.WithAttributes(attribute.String("receiver", receiver)))
	}
	for _, exporter := range []string{"console", "kubernetes"} {
		_, err := outbox.New[int](pipeline.ID{Type: exporter}, made.Meters().Meter("exporters/"+exporter), 100)
		require.NoError(t, err)
	}
	latency, err := made.Meters().Meter("exporters/kubernetes").Float64Histogram("otelnpd.exporter.duration", metric.WithUnit("s"))
	require.NoError(t, err)
	latency.Record(ctx, 0.25)
	observeNPD(t, made.NPDMeters().Meter("conditions"))

	series := gather(t, made.Gatherer())
	for name, want := range map[string]string{
		`otelnpd_receiver_accepted_records_total{receiver="kmsg"}`:                           "3",
		`otelnpd_receiver_accepted_records_total{receiver="journald/kernel"}`:                "3",
		`otelnpd_exporter_sent_records_total{exporter="console"}`:                            "0",
		`otelnpd_exporter_dropped_records_total{exporter="console",reason="outbox_full"}`:    "0",
		`otelnpd_exporter_dropped_records_total{exporter="kubernetes",reason="outbox_full"}`: "0",
		`otelnpd_exporter_queue_length{exporter="console"}`:                                  "0",
		`otelnpd_exporter_queue_size_bytes{exporter="console"}`:                              "0",
		`otelnpd_exporter_duration_seconds_count`:                                            "1",
		`problem_counter{reason="OOMKilling"}`:                                               "2",
		`problem_counter{reason="TaskHung"}`:                                                 "0",
		`problem_gauge{reason="DockerHung",type="KernelDeadlock"}`:                           "1",
	} {
		require.Equal(t, want, series[name], name)
	}
	for name := range series {
		require.NotContains(t, name, "otel_scope", "NPD's series have their own labels only")
	}
}

// observeNPD makes problem_counter and problem_gauge as the condition store
// does.
func observeNPD(t *testing.T, meter metric.Meter) {
	t.Helper()
	_, err := meter.Int64ObservableCounter("problem_counter", metric.WithUnit("1"),
		metric.WithDescription("Number of times a specific type of problem have occurred."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(2, metric.WithAttributes(attribute.String("reason", "OOMKilling")))
			o.Observe(0, metric.WithAttributes(attribute.String("reason", "TaskHung")))
			return nil
		}))
	require.NoError(t, err)
	_, err = meter.Int64ObservableGauge("problem_gauge", metric.WithUnit("1"),
		metric.WithDescription("Whether a specific type of problem is affecting the node or not."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, metric.WithAttributes(attribute.String("type", "KernelDeadlock"), attribute.String("reason", "DockerHung")))
			return nil
		}))
	require.NoError(t, err)
}

func TestNPDTypes(t *testing.T) {
	made, _ := newTelemetry(t)
	observeNPD(t, made.NPDMeters().Meter("conditions"))
	families, err := made.Gatherer().Gather()
	require.NoError(t, err)
	types := map[string]dto.MetricType{}
	for _, family := range families {
		types[family.GetName()] = family.GetType()
	}
	require.Equal(t, dto.MetricType_COUNTER, types["problem_counter"])
	require.Equal(t, dto.MetricType_GAUGE, types["problem_gauge"])
	require.NotContains(t, types, "problem_gauge_ratio")
}

func TestCardinalityIsBounded(t *testing.T) {
	made, _ := newTelemetry(t)
	counter, err := made.Meters().Meter("test").Int64Counter("otelnpd.test.records")
	require.NoError(t, err)
	for i := range 30_000 {
		counter.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("i", i)))
	}
	n := 0
	series := gather(t, made.Gatherer())
	for name := range series {
		if strings.HasPrefix(name, "otelnpd_test_records_total") {
			n++
		}
	}
	require.LessOrEqual(t, n, 25_000)
	require.Equal(t, "5001", series[`otelnpd_test_records_total{otel_metric_overflow="true"}`], "what is too much is counted together")
}

func TestInstruments(t *testing.T) {
	made, _ := newTelemetry(t)
	for range 2 {
		counter, err := made.Meters().Meter("receivers/kmsg").Int64Counter("otelnpd.receiver.lost_bytes",
			metric.WithUnit("By"), metric.WithDescription("Bytes lost."))
		require.NoError(t, err)
		counter.Add(t.Context(), 1)
	}
	observeNPD(t, made.NPDMeters().Meter("conditions"))
	list := made.Instruments()
	require.Contains(t, list, telemetry.Instrument{
		Name: "otelnpd.receiver.lost_bytes", Unit: "By", Description: "Bytes lost.", Kind: sdkmetric.InstrumentKindCounter,
		Scope: "receivers/kmsg", Prometheus: "otelnpd_receiver_lost_bytes_total",
	})
	series := gather(t, made.Gatherer())
	require.Contains(t, series, "otelnpd_receiver_lost_bytes_total")
	names := map[string]string{}
	for _, one := range list {
		require.NotContains(t, names, one.Name, "an instrument that is asked for again is told once")
		names[one.Name] = one.Prometheus
	}
	require.Equal(t, "problem_counter", names["problem_counter"])
	require.Equal(t, "problem_gauge", names["problem_gauge"])
	require.Equal(t, "otelnpd_build_info", names["otelnpd.build_info"])
}

func TestAReloadResetsNothing(t *testing.T) {
	made, _ := newTelemetry(t)
	for range 2 { // a component made anew asks the same meter for the same instrument
		counter, err := made.Meters().Meter("processors/rules").Int64Counter("otelnpd.rules.matches")
		require.NoError(t, err)
		counter.Add(t.Context(), 1)
	}
	require.Equal(t, "2", gather(t, made.Gatherer())["otelnpd_rules_matches_total"])
}

func TestShutdown(t *testing.T) {
	made, _ := newTelemetry(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, made.Shutdown(ctx))
	require.NoError(t, made.Shutdown(ctx))
	for name := range gather(t, made.Gatherer()) {
		require.NotContains(t, name, "otelnpd")
	}
}

// This is why an instrument is made by one provider only.
func TestOneNameInBothFamiliesSpoilsTheRegistry(t *testing.T) {
	made, _ := newTelemetry(t)
	for _, provider := range []metric.MeterProvider{made.Meters(), made.NPDMeters()} {
		gauge, err := provider.Meter("test").Int64Gauge("problem_gauge")
		require.NoError(t, err)
		gauge.Record(t.Context(), 1)
	}
	_, err := made.Gatherer().Gather()
	require.ErrorContains(t, err, "collected before with the same name and label values")
}

// promtool's findings are exactly those that NPD's own names imply.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian package prometheus)")
	}
	made, board := newTelemetry(t)
	board.Set(pipeline.KindReceiver, pipeline.ID{Type: "kmsg"}, pipeline.Status{State: pipeline.ComponentOK})
	_, err = outbox.New[int](pipeline.ID{Type: "console"}, made.Meters().Meter("exporters/console"), 100)
	require.NoError(t, err)
	observeNPD(t, made.NPDMeters().Meter("conditions"))

	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(page(t, made.Gatherer()))
	findings, err := check.CombinedOutput()
	require.Error(t, err, "NPD's names are no good ones, so there must be findings")
	require.ElementsMatch(t, []string{
		`problem_counter counter metrics should have "_total" suffix`,
		`problem_counter metric name should not include type 'counter'`,
		`problem_gauge metric name should not include type 'gauge'`,
	}, strings.Split(strings.TrimSpace(string(findings)), "\n"))
}

func TestProcess(t *testing.T) {
	made, _ := newTelemetry(t)
	before := time.Now()
	busy(50 * time.Millisecond)
	held, err := os.Open(os.DevNull)
	require.NoError(t, err)
	open := number(t, made, "process_open_fds")
	require.NoError(t, held.Close())
	require.InDelta(t, open-1, number(t, made, "process_open_fds"), 0)

	require.GreaterOrEqual(t, number(t, made, "process_cpu_seconds_total"), 0.04)
	require.InDelta(t, float64(before.Unix()), number(t, made, "process_start_time_seconds"), 60)
	require.GreaterOrEqual(t, number(t, made, "go_goroutines"), 2.0)
	require.Greater(t, number(t, made, "process_max_fds"), open)

	memory := number(t, made, "process_resident_memory_bytes")
	large := bytes.Repeat([]byte{1}, 64<<20)
	require.Greater(t, number(t, made, "process_resident_memory_bytes"), memory+32<<20)
	require.Len(t, large, 64<<20)
}

// busy spends CPU time.
func busy(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		_ = strings.Repeat("x", 1000)
	}
}

func number(t *testing.T, made *telemetry.Telemetry, name string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(gather(t, made.Gatherer())[name], 64)
	require.NoError(t, err, name)
	return value
}
