package hoststats

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/otlptranslator"
	"github.com/stretchr/testify/require"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// size is how much there is of a node.
type size struct{ disks, interfaces, cpus int }

func sizes() map[string]size {
	return map[string]size{"small": {4, 8, 128}, "large": {200, 2000, 512}}
}

// nodeOf is a node of that size whose counters are about n.
func nodeOf(s size, n uint64) hoststat.Reading {
	now := time.Unix(int64(n), 0)
	node := hoststat.Reading{Time: now}
	node.Disks.Time = now
	for i := range s.cpus {
		node.CPU.Each = append(node.CPU.Each, hoststat.OneCPU{Number: i, CPUTimes: hoststat.CPUTimes{User: float64(n), Idle: float64(n * 2)}})
	}
	for i := range s.disks {
		node.Disks.Each = append(node.Disks.Each, hoststat.Disk{Name: fmt.Sprintf("sd%d", i), Root: true, Size: 1 << 40, Reads: n, WeightedMillis: n})
	}
	for i := range s.interfaces {
		node.Interfaces.Each = append(node.Interfaces.Each, hoststat.Interface{Name: fmt.Sprintf("net%d", i), RxBytes: n, TxBytes: n * 2})
	}
	return node
}

// provider is one of one family, as pipeline/telemetry makes it.
func provider(reader sdkmetric.Reader) *sdkmetric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(25000),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter))
}

// ready returns a receiver that tells of nodes of that size, by both families.
func ready(tb testing.TB, s size, meters pipeline.NodeMeters) *Receiver {
	tb.Helper()
	settings := pipelinetest.Settings(tb, "hoststats")
	settings.NodeMeters = meters
	config := DefaultConfig()
	config.CPU.LogicalNumbers = true
	r, err := New(settings, config)
	require.NoError(tb, err)
	for i := range r.sides {
		require.NoError(tb, r.register(&r.sides[i]))
	}
	r.latest.Store(r.digester.digest(nodeOf(s, 1), settings.Clock.Now().Boot))
	tb.Cleanup(func() { require.NoError(tb, r.unregister()) })
	return r
}

// BenchmarkCollection is digesting a reading, and one collection of it. The CPU's time is
// what counts on a machine that does other things too.
func BenchmarkCollection(b *testing.B) {
	for name, s := range sizes() {
		for _, family := range []string{"npd", "semconv", "both"} {
			b.Run(name+"/"+family, func(b *testing.B) { benchmarkCollection(b, s, family) })
		}
	}
}

func benchmarkCollection(b *testing.B, s size, family string) {
	b.Helper()
	var meters pipeline.NodeMeters
	var readers []*sdkmetric.ManualReader
	meter := func() metric.Meter {
		reader := sdkmetric.NewManualReader()
		readers = append(readers, reader)
		return provider(reader).Meter("test")
	}
	if family != "semconv" {
		meters.NPD = meter()
	}
	if family != "npd" {
		meters.SemConv = meter()
	}
	r := ready(b, s, meters)
	into := make([]metricdata.ResourceMetrics, len(readers))
	node := nodeOf(s, 2)
	b.ReportAllocs()
	begun := cpuTime(b)
	for b.Loop() {
		r.latest.Store(r.digester.digest(node, r.settings.Clock.Now().Boot))
		for i, reader := range readers {
			require.NoError(b, reader.Collect(b.Context(), &into[i]))
		}
	}
	b.ReportMetric(float64(cpuTime(b)-begun)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what the process has used of CPUs.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkScrape is what a scrape of both families by Prometheus costs.
func BenchmarkScrape(b *testing.B) {
	for name, s := range sizes() {
		b.Run(name, func(b *testing.B) {
			registry := prometheus.NewRegistry()
			family := func(naming otlptranslator.TranslationStrategyOption, options ...otelprometheus.Option) *sdkmetric.MeterProvider {
				exporter, err := otelprometheus.New(append(options, otelprometheus.WithRegisterer(registry), otelprometheus.WithTranslationStrategy(naming), otelprometheus.WithoutScopeInfo())...)
				require.NoError(b, err)
				return provider(exporter)
			}
			ready(b, s, pipeline.NodeMeters{
				NPD:     family(otlptranslator.UnderscoreEscapingWithoutSuffixes, otelprometheus.WithoutTargetInfo()).Meter("test"),
				SemConv: family(otlptranslator.UnderscoreEscapingWithSuffixes).Meter("test"),
			})
			b.ReportAllocs()
			begun := cpuTime(b)
			for b.Loop() {
				_, err := registry.Gather()
				require.NoError(b, err)
			}
			b.ReportMetric(float64(cpuTime(b)-begun)/float64(b.N), "cpu-ns/op")
		})
	}
}
