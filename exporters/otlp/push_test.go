package otlp_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelnpd/otelnpd/exporters/otlp"
	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// source has metrics of a test, of all families alike.
type source struct {
	reader  *sdkmetric.ManualReader
	counter metric.Int64Counter
	count   atomic.Int64

	mu       sync.Mutex
	families []telemetry.Family
}

func newSource(t *testing.T) *source {
	t.Helper()
	s := &source{reader: sdkmetric.NewManualReader()}
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader)).
		Meter("example.org/scope", metric.WithInstrumentationVersion("1.2"), metric.WithSchemaURL("https://opentelemetry.io/schemas/1.43.0"))
	var err error
	s.counter, err = meter.Int64Counter("otelnpd.things", metric.WithUnit("{thing}"), metric.WithDescription("Things."))
	require.NoError(t, err)
	_, err = meter.Float64ObservableGauge("system.load", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
		o.Observe(1.5)
		return nil
	}))
	require.NoError(t, err)
	s.add(0)
	return s
}

func (s *source) add(n int64) {
	s.counter.Add(context.Background(), n, metric.WithAttributes(attribute.String("kind", "odd")))
	s.count.Add(n)
}

func (s *source) Producer(families ...telemetry.Family) sdkmetric.Producer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families = families
	return s
}

func (s *source) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	var all metricdata.ResourceMetrics
	err := s.reader.Collect(ctx, &all)
	return all.ScopeMetrics, err
}

// newPushLab is a lab whose exporter sends metrics, often.
func newPushLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.source, l.settings.ExportsMetrics = newSource(t), true
	l.config.Metrics.Interval = 30 * time.Millisecond
	return l
}

// value is that of the counter in a reading; -1: it is not in it.
func value(r *otlptest.Request) int64 {
	points := r.Find("otelnpd.things").GetSum().GetDataPoints()
	if len(points) == 0 {
		return -1
	}
	return points[0].GetAsInt()
}

// waitForValue waits for a reading with a value of the counter, and returns it.
func (l *lab) waitForValue(t *testing.T, want int64) (found *otlptest.Request) {
	t.Helper()
	l.WaitFor(t, "the value", func([]*otlptest.Request) bool {
		for _, reading := range l.Readings() {
			if value(reading) == want {
				found = reading
			}
		}
		return found != nil
	})
	return found
}

func TestMetricsAreSent(t *testing.T) {
	for _, protocol := range []collector.Protocol{collector.GRPC, collector.HTTP} {
		for _, compression := range []collector.Compression{collector.CompressionNone, collector.CompressionGzip, collector.CompressionZstd} {
			t.Run(string(protocol)+" "+string(compression), func(t *testing.T) {
				l := newPushLab(t)
				l.config.Protocol, l.config.Compression, l.config.Headers = protocol, compression, map[string]string{"x-tenant": "nodes"}
				if protocol == collector.HTTP {
					l.config.Endpoint = "http://" + l.HTTP
				}
				l.source.add(3)
				l.start(t)
				reading := l.waitForValue(t, 3)
				require.Equal(t, []string{"nodes"}, reading.Header.Get("x-tenant"))
				requireReading(t, reading)
				if protocol == collector.HTTP {
					require.Equal(t, "/v1/metrics", reading.Path)
				}
				eventually(t, "ok", func() bool { return l.statuses.Last().State == pipeline.ComponentOK })
			})
		}
	}
}

// requireReading looks at every field of a reading.
func requireReading(t *testing.T, reading *otlptest.Request) {
	t.Helper()
	resources := reading.Metrics.GetResourceMetrics()
	require.Len(t, resources, 1)
	require.Equal(t, "https://opentelemetry.io/schemas/1.43.0", resources[0].GetSchemaUrl())
	about := map[string]string{}
	for _, one := range resources[0].GetResource().GetAttributes() {
		about[one.GetKey()] = one.GetValue().GetStringValue()
	}
	require.Equal(t, "otelnpd", about["service.name"])
	require.NotEmpty(t, about["k8s.node.name"])
	require.Len(t, resources[0].GetScopeMetrics(), 1)
	scope := resources[0].GetScopeMetrics()[0]
	require.Equal(t, "example.org/scope", scope.GetScope().GetName())
	require.Equal(t, "1.2", scope.GetScope().GetVersion())
	require.Equal(t, "https://opentelemetry.io/schemas/1.43.0", scope.GetSchemaUrl())
	things := reading.Find("otelnpd.things")
	require.Equal(t, "{thing}", things.GetUnit())
	require.Equal(t, "Things.", things.GetDescription())
	require.True(t, things.GetSum().GetIsMonotonic())
	require.Equal(t, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, things.GetSum().GetAggregationTemporality())
	point := things.GetSum().GetDataPoints()[0]
	require.Equal(t, "kind", point.GetAttributes()[0].GetKey())
	require.NotZero(t, point.GetStartTimeUnixNano())
	require.Greater(t, point.GetTimeUnixNano(), point.GetStartTimeUnixNano())
	require.InDelta(t, 1.5, reading.Find("system.load").GetGauge().GetDataPoints()[0].GetAsDouble(), 0)
}

// counted counts the connections that are made to a listener.
type counted struct {
	net.Listener

	made atomic.Int64
}

func (c *counted) Accept() (net.Conn, error) {
	connection, err := c.Listener.Accept()
	if err == nil {
		c.made.Add(1)
	}
	return connection, err
}

func TestBothSignalsShareAConnection(t *testing.T) {
	l := newPushLab(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	count := &counted{Listener: listener}
	l.ServeGRPCOn(t, count, nil)
	l.config.Endpoint = "http://" + listener.Addr().String()
	exporter := l.start(t)
	consume(t, exporter, "one")
	l.WaitForBodies(t, 1)
	l.source.add(1)
	l.waitForValue(t, 1)
	consume(t, exporter, "two")
	l.WaitForBodies(t, 2)
	require.EqualValues(t, 1, count.made.Load())
}

func TestAnExporterOfMetricsAloneAsksNothingOfLogs(t *testing.T) {
	l := newPushLab(t)
	l.config.ProbeInterval = time.Millisecond
	l.start(t)
	l.source.add(2)
	l.waitForValue(t, 2)
	for _, request := range l.Requests() {
		require.NotNil(t, request.Metrics, "it was about logs")
	}
}

func TestACollectorWithoutAPipelineForMetrics(t *testing.T) {
	l := newPushLab(t)
	without := func(r *otlptest.Request) otlptest.Reply {
		if r.Metrics != nil {
			return refusing(codes.Unimplemented)
		}
		return otlptest.Reply{}
	}
	l.Answer(without)
	exporter := l.start(t)
	eventually(t, "degraded", func() bool { return strings.Contains(l.statuses.Last().Reason, "does not take metrics: Unimplemented") })
	require.Contains(t, l.statuses.Last().Remedy, "take this exporter out of service.pipelines.metrics")
	require.NotContains(t, l.statuses.Last().Reason, "dns:///", "the address as the configuration has it")
	for n, text := range numbered(0, 5) {
		consume(t, exporter, text)
		l.WaitForBodies(t, n+1)
	}
	require.Equal(t, pipeline.ComponentDegraded, l.statuses.Last().State, "logs do not hide it")
	l.WaitFor(t, "questions", func(requests []*otlptest.Request) bool {
		return slices.ContainsFunc(requests, func(r *otlptest.Request) bool { return r.Metrics != nil && len(r.Metrics.GetResourceMetrics()) == 0 })
	})
	l.Answer(nil)
	l.source.add(7)
	l.waitForValue(t, 7)
	eventually(t, "ok", func() bool { return l.statuses.Last().State == pipeline.ComponentOK })
	require.Zero(t, l.sums(t)["exporter.dropped_records misdirected"])
}

func TestTheNewestWins(t *testing.T) {
	l := newPushLab(t)
	later := soon(t, codes.Unavailable)
	l.Answer(func(*otlptest.Request) otlptest.Reply { return later })
	l.source.add(1)
	l.start(t)
	eventually(t, "degraded", func() bool { return strings.Contains(l.statuses.Last().Reason, "does not take metrics") })
	l.Answer(func(*otlptest.Request) otlptest.Reply { // meanwhile nothing else is under way
		l.source.add(1)
		l.Answer(nil)
		return later
	})
	l.waitForValue(t, 2)
	for _, reading := range l.Readings() {
		require.EqualValues(t, 2, value(reading), "what could not be sent is not sent later")
	}
}

func TestDataPointsThatAreNotTaken(t *testing.T) {
	l := newPushLab(t)
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if r.Find("system.load") != nil {
			return refusing(codes.InvalidArgument)
		}
		return otlptest.Reply{PartialMetrics: &colmetricspb.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"}}
	})
	l.start(t)
	l.waitForValue(t, 0)
	eventually(t, "counted", func() bool {
		sums := l.sums(t)
		return sums["otlp.dropped_data_points refused"] > 0 && sums["otlp.dropped_data_points rejected"] > 0
	})
	require.Zero(t, l.sums(t)["otlp.sent_data_points"])
	eventually(t, "told", func() bool {
		return strings.Contains(l.log.String(), "system.load") && strings.Contains(l.log.String(), "too old")
	})
	eventually(t, "degraded", func() bool {
		return strings.Contains(l.statuses.Last().Reason, "does not take metrics: InvalidArgument")
	})
}

// deltas adds up the deltas of all accepted readings, and requires that each begins
// where the one before has ended.
func (l *lab) deltas(t *testing.T) (sum int64) {
	t.Helper()
	var end uint64
	for _, reading := range l.Readings() {
		things := reading.Find("otelnpd.things").GetSum()
		for _, point := range things.GetDataPoints() {
			require.Equal(t, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, things.GetAggregationTemporality())
			require.GreaterOrEqual(t, point.GetStartTimeUnixNano(), end, "it overlaps")
			require.Greater(t, point.GetTimeUnixNano(), point.GetStartTimeUnixNano())
			end, sum = point.GetTimeUnixNano(), sum+point.GetAsInt()
		}
	}
	return sum
}

func TestDeltasOverOutagesAndReloads(t *testing.T) {
	l := newPushLab(t)
	l.patience = 10 * time.Second // what is cut off would be told twice
	l.config.Metrics.Temporality = otlp.Delta
	n, later := atomic.Int64{}, soon(t, codes.Unavailable)
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if len(r.Metrics.GetResourceMetrics()) > 0 && n.Add(1)%3 == 0 {
			return later
		}
		return otlptest.Reply{}
	})
	exporter := l.start(t)
	for round := range 5 {
		for range 3 {
			l.source.add(1)
			had := len(l.Readings())
			l.source.add(1)
			l.WaitFor(t, "one more reading", func([]*otlptest.Request) bool { return len(l.Readings()) > had })
		}
		if round%2 == 1 {
			exporter = l.replace(t, exporter)
		}
	}
	eventually(t, "all", func() bool { return l.deltas(t) >= l.source.count.Load() })
	l.Answer(nil) // at the end there is no second try
	l.source.add(5)
	shutdown(t, exporter)
	require.Equal(t, l.source.count.Load(), l.deltas(t), "the last is sent at the end")
}

// replace lets another exporter go on, as a reload does.
func (l *lab) replace(t *testing.T, before keeper) keeper {
	t.Helper()
	handOver, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, before.Shutdown(handOver))
	next := l.make(t)
	next.(pipeline.Heir).Inherit(before) //nolint:forcetypeassert // the test is about it
	require.NoError(t, next.Start(t.Context()))
	t.Cleanup(func() { _ = next.Shutdown(handOver) })
	return next
}

func TestAReloadKeepsTheBeat(t *testing.T) {
	l := newPushLab(t)
	l.patience = 10 * time.Second
	l.config.Metrics.Interval = time.Hour
	exporter := l.start(t)
	l.waitForValue(t, 0)
	for range 5 {
		exporter = l.replace(t, exporter)
	}
	require.Len(t, l.Readings(), 1)
	l.source.add(1)
	shutdown(t, exporter)
	require.Len(t, l.Readings(), 2)
	require.EqualValues(t, 1, value(l.Readings()[1]))
}

func TestAHungCollectorDoesNotHoldUpTheEnd(t *testing.T) {
	l := newPushLab(t)
	held := make(chan struct{})
	defer close(held)
	l.Answer(func(*otlptest.Request) otlptest.Reply { return otlptest.Reply{Hold: held} })
	exporter := l.start(t)
	l.WaitFor(t, "a request", func(requests []*otlptest.Request) bool { return len(requests) > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_ = exporter.Shutdown(ctx)
	require.Error(t, ctx.Err())
}

func TestFamiliesAndFilters(t *testing.T) {
	for naming, want := range map[pipeline.Naming][]telemetry.Family{
		"semconv": {telemetry.SemConv, telemetry.Process},
		"npd":     {telemetry.SemConv, telemetry.Process, telemetry.NPD},
		"both":    {telemetry.SemConv, telemetry.Process, telemetry.NPD},
	} {
		l := newPushLab(t)
		l.settings.Naming, l.config.Metrics.Exclude = naming, []string{"system.*"}
		l.start(t)
		require.Nil(t, l.waitForValue(t, 0).Find("system.load"))
		require.Equal(t, want, l.source.families)
	}
}

func TestWhereBothFailBothAreTold(t *testing.T) {
	l := newPushLab(t)
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if r.Metrics != nil {
			return refusing(codes.Unimplemented)
		}
		return otlptest.Reply{GRPC: status.New(codes.PermissionDenied, "no")}
	})
	consume(t, l.start(t), "one")
	eventually(t, "both", func() bool {
		reason := l.statuses.Last().Reason
		return strings.Contains(reason, "does not take records: PermissionDenied") && strings.Contains(reason, "does not take metrics: Unimplemented")
	})
	require.Contains(t, l.statuses.Last().Remedy, "credentials")
	require.Contains(t, l.statuses.Last().Remedy, "service.pipelines.metrics")

	l.Answer(func(*otlptest.Request) otlptest.Reply { return refusing(codes.Unauthenticated) })
	eventually(t, "the same of both", func() bool {
		return strings.Contains(l.statuses.Last().Reason, "does not take records and metrics: Unauthenticated")
	})
}
