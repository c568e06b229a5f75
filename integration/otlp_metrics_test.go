package integration

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/otelnpd/otelnpd/exporters/otlp/googleauth/googletest"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/integration/agent"
)

// TestOTLPMetrics lets the agent send its metrics to a real Collector, and records beside
// them, while the Collector fails.
func TestOTLPMetrics(t *testing.T) {
	t.Run("every field arrives", otlpMetricFields)
	t.Run("deltas", otlpMetricDeltas)
	t.Run("a Collector that is killed", otlpMetricsCollectorKilled)
	t.Run("a Collector that hangs", otlpMetricsCollectorHangs)
	t.Run("a Collector that refuses", otlpMetricsCollectorRefuses)
	t.Run("a reload to another protocol", otlpMetricsReload)
	t.Run("Google's credentials", otlpGoogle)
	t.Run("an end while one of two hangs", otlpMetricsEnd)
	t.Run("an idle node", otlpMetricsIdle)
}

// newOTLPMetricsRig is a rig whose agent sends metrics too, each second.
func newOTLPMetricsRig(t *testing.T, protocol string, more ...string) *otlpRig {
	t.Helper()
	r := newOTLPRig(t)
	r.settings.MetricsPipeline, r.settings.Naming = "{exporters: [otlp]}", "both"
	r.settings.OTLP = r.otlpMetricsKeys(protocol, more...)
	return r
}

func (r *otlpRig) otlpMetricsKeys(protocol string, more ...string) string {
	endpoint := r.collector.GRPC
	if protocol != "grpc" {
		endpoint = r.collector.HTTP
	}
	keys := append([]string{"protocol: " + protocol}, more...)
	if !slices.ContainsFunc(more, func(key string) bool { return strings.HasPrefix(key, "metrics:") }) {
		keys = append(keys, "metrics: {interval: 1s}")
	}
	return otlpKeys("http://"+endpoint, keys...)
}

// sample is a data point with what is around it.
type sample struct {
	resource, attributes map[string]string
	scopeName, schema    string
	metric               *metricspb.Metric
	number               *metricspb.NumberDataPoint
	histogram            *metricspb.HistogramDataPoint
}

// samples are the data points that the Collector has received of a metric, in order.
func (r *otlpRig) samples(t *testing.T, name string) (found []sample) {
	t.Helper()
	for _, resource := range r.collector.Metrics(t) {
		about := texts(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				if metric.GetName() != name {
					continue
				}
				one := sample{resource: about, scopeName: scope.GetScope().GetName(), schema: scope.GetSchemaUrl(), metric: metric}
				for _, point := range slices.Concat(metric.GetSum().GetDataPoints(), metric.GetGauge().GetDataPoints()) {
					one.number, one.attributes = point, texts(point.GetAttributes())
					found = append(found, one)
				}
				for _, point := range metric.GetHistogram().GetDataPoints() {
					one.histogram, one.attributes = point, texts(point.GetAttributes())
					found = append(found, one)
				}
			}
		}
	}
	return found
}

// last is the newest sample of a metric with some attributes.
func (r *otlpRig) last(t *testing.T, name string, attributes map[string]string) (last sample, found bool) {
	t.Helper()
	for _, one := range r.samples(t, name) {
		if matches(one.attributes, attributes) {
			last, found = one, true
		}
	}
	return last, found
}

func matches(have, want map[string]string) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}

func (s sample) value() float64 {
	if s.number == nil {
		return math.NaN()
	}
	if _, whole := s.number.GetValue().(*metricspb.NumberDataPoint_AsInt); whole {
		return float64(s.number.GetAsInt())
	}
	return s.number.GetAsDouble()
}

// awaitValue waits until the newest sample of a metric has a value.
func (r *otlpRig) awaitValue(t *testing.T, name string, attributes map[string]string, want float64) (found sample) {
	t.Helper()
	require.Eventually(t, func() bool {
		var there bool
		found, there = r.last(t, name, attributes)
		return there && found.value() == want
	}, otlpPatience, tick, "%s%v is not %g at the Collector", name, attributes, want)
	return found
}

func otlpMetricFields(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		for _, compression := range []string{"none", "gzip", "zstd"} {
			t.Run(protocol+" "+compression, func(t *testing.T) {
				t.Parallel()
				r := newOTLPMetricsRig(t, protocol, "compression: "+compression)
				began := time.Now()
				a := r.live(t, binary, "OTEL_RESOURCE_ATTRIBUTES=k8s.cluster.name=west")
				a.WaitReady(t, a.Ready())
				require.NoError(t, r.mark(1))
				require.NoError(t, r.mark(2))
				require.NoError(t, r.turn())
				r.requireExact(t)
				r.requireMetricFields(t, began)
			})
		}
	}
}

// wantMetric is what is expected of a metric.
type wantMetric struct {
	name, unit, kind string // sum, updown, gauge, histogram
	attributes       map[string]string
	value            float64 // NaN: any
}

func (r *otlpRig) requireMetricFields(t *testing.T, began time.Time) {
	t.Helper()
	anything := math.NaN()
	for _, want := range []wantMetric{
		{"problem_counter", "1", "sum", map[string]string{"reason": markedReason}, 2},
		{"problem_gauge", "1", "gauge", map[string]string{"type": hang, "reason": "TaskHung"}, 1},
		{"otelnpd.build_info", "", "gauge", nil, 1},
		{"otelnpd.exporter.sent_records", "{record}", "sum", map[string]string{"exporter": "otlp"}, anything},
		{"otelnpd.otlp.requests", "{request}", "sum", map[string]string{"exporter": "otlp", "signal": "metrics"}, anything},
		{"otelnpd.otlp.request.duration", "s", "histogram", map[string]string{"exporter": "otlp", "signal": "metrics"}, anything},
		{"process.memory.usage", "By", "updown", nil, anything},
		{"process.cpu.time", "s", "sum", map[string]string{"cpu.mode": "user"}, anything},
	} {
		var found sample
		if math.IsNaN(want.value) {
			require.Eventually(t, func() bool { _, there := r.last(t, want.name, want.attributes); return there }, patience, tick, "no %s at the Collector", want.name)
			found, _ = r.last(t, want.name, want.attributes)
		} else {
			found = r.awaitValue(t, want.name, want.attributes, want.value)
		}
		found.require(t, want, began)
	}
}

func (s sample) require(t *testing.T, want wantMetric, began time.Time) {
	t.Helper()
	cumulative := metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	require.Equal(t, want.unit, s.metric.GetUnit(), want.name)
	require.NotEmpty(t, s.metric.GetDescription(), want.name)
	require.Contains(t, s.scopeName, "github.com/otelnpd/otelnpd", want.name)
	if !strings.HasPrefix(want.name, "otelnpd.") && !strings.HasPrefix(want.name, "problem_") {
		require.Contains(t, s.schema, "https://opentelemetry.io/schemas/", want.name)
	}
	require.Equal(t, "west", s.resource["k8s.cluster.name"])
	require.Equal(t, "otelnpd", s.resource["service.name"])
	require.Equal(t, "node-1", s.resource["k8s.node.name"])
	var start, at uint64
	switch want.kind {
	case "sum", "updown":
		require.Equal(t, cumulative, s.metric.GetSum().GetAggregationTemporality(), want.name)
		require.Equal(t, want.kind == "sum", s.metric.GetSum().GetIsMonotonic(), want.name)
		start, at = s.number.GetStartTimeUnixNano(), s.number.GetTimeUnixNano()
		require.NotZero(t, start, want.name)
	case "gauge":
		require.NotNil(t, s.metric.GetGauge(), want.name)
		start, at = s.number.GetStartTimeUnixNano(), s.number.GetTimeUnixNano()
	case "histogram":
		require.Equal(t, cumulative, s.metric.GetHistogram().GetAggregationTemporality(), want.name)
		start, at = s.histogram.GetStartTimeUnixNano(), s.histogram.GetTimeUnixNano()
		require.Len(t, s.histogram.GetBucketCounts(), len(s.histogram.GetExplicitBounds())+1)
	}
	require.Less(t, start, at, want.name)
	require.Greater(t, at, uint64(began.UnixNano()), want.name)
}

// What the deltas add up to is what there was, over a restart of the Collector and at the
// end of the agent, and each begins where the one before has ended.
func otlpMetricDeltas(t *testing.T) {
	r := newOTLPMetricsRig(t, "grpc", "metrics: {interval: 1s, temporality: delta, include: ['problem_counter']}")
	a := r.live(t, binary)
	a.WaitReady(t, a.Ready())
	marked := map[string]string{"reason": markedReason}
	told := func() (sum float64) {
		var end uint64
		for _, one := range r.samples(t, "problem_counter") {
			require.Equal(t, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, one.metric.GetSum().GetAggregationTemporality())
			if matches(one.attributes, marked) {
				require.GreaterOrEqual(t, one.number.GetStartTimeUnixNano(), end, "it overlaps")
				end, sum = one.number.GetTimeUnixNano(), sum+one.value()
			}
		}
		return sum
	}
	for n := range 5 {
		require.NoError(t, r.mark(n))
	}
	require.Eventually(t, func() bool { return told() == 5 }, patience, tick)
	r.collector.Signal(t, syscall.SIGTERM)
	<-r.collector.Exited()
	require.NoError(t, r.mark(5))
	awaitDegraded(t, a, "connection refused")
	require.NoError(t, r.mark(6))
	r.collector.Restart(t)
	require.Eventually(t, func() bool { return told() == 7 }, patience, tick)
	require.NoError(t, r.mark(7))
	require.Eventually(t, func() bool { return len(r.missing(t)) == 0 }, patience, tick)
	a.Signal(t, syscall.SIGTERM)
	<-a.Exited()
	require.Eventually(t, func() bool { return told() == 8 }, patience, tick, "the last is sent at the end")
}

func otlpMetricsCollectorKilled(t *testing.T) {
	for name, end := range map[string]os.Signal{"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM} {
		for _, protocol := range []string{"grpc", "http/protobuf"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				r := newOTLPMetricsRig(t, protocol)
				a := r.live(t, binary)
				for round := range 3 {
					require.NoError(t, r.mark(10*round))
					r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, float64(3*round+1))
					r.collector.Signal(t, end)
					<-r.collector.Exited()
					require.NoError(t, r.mark(10*round+1))
					awaitDegraded(t, a, "connection refused")
					require.NoError(t, r.mark(10*round+2))
					r.collector.Restart(t)
				}
				r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, 9)
				r.requireExact(t)
				a.WaitReady(t, a.Ready())
			})
		}
	}
}

func otlpMetricsCollectorHangs(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newOTLPMetricsRig(t, protocol, "timeout: 500ms")
			a := r.live(t, binary)
			require.NoError(t, r.mark(0))
			r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, 1)
			r.collector.Signal(t, syscall.SIGSTOP)
			require.NoError(t, r.mark(1))
			awaitDegraded(t, a, "no answer within 500ms")
			require.NoError(t, r.mark(2))
			r.collector.Signal(t, syscall.SIGCONT)
			r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, 3)
			r.requireExact(t)
			a.WaitReady(t, a.Ready())
		})
	}
}

// A front that refuses and hangs at random takes no record from the Collector, and at
// the end the newest metrics.
func otlpMetricsCollectorRefuses(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newOTLPMetricsRig(t, protocol)
			seed := stormSeed(t)
			t.Logf("OTELNPD_STORM_SEED=%d", seed)
			f := newOTLPFront(t, r.collector, seed)
			endpoint := f.GRPC
			if protocol != "grpc" {
				endpoint = f.HTTP
			}
			r.settings.OTLP = otlpKeys("http://"+endpoint, "protocol: "+protocol, "timeout: 500ms", "metrics: {interval: 1s}")
			a := r.live(t, binary)
			for n := range 50 {
				require.NoError(t, r.mark(n))
				time.Sleep(100 * time.Millisecond) // the storm's length
			}
			f.Pass()
			r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, 50)
			r.requireExact(t)
			a.WaitReady(t, a.Ready())
			t.Logf("the front: %s", f)
		})
	}
}

// A reload to another protocol leaves no gap longer than an interval, and counts on.
func otlpMetricsReload(t *testing.T) {
	r := newOTLPMetricsRig(t, "grpc")
	a := r.live(t, binary)
	a.WaitReady(t, a.Ready())
	for round, protocol := range []string{"http/protobuf", "grpc", "http/protobuf"} {
		require.NoError(t, r.mark(round))
		r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, float64(round+1))
		r.settings.OTLP = r.otlpMetricsKeys(protocol)
		r.settings.WriteConfig(t)
		result := agent.Run(t, binary, "", "reload", "--socket", r.settings.Socket)
		require.Zero(t, result.ExitCode, result.Stderr)
	}
	require.NoError(t, r.mark(3))
	r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, 4)
	r.requireExact(t)
	starts := map[uint64]bool{}
	for _, one := range r.samples(t, "problem_counter") {
		starts[one.number.GetStartTimeUnixNano()] = true
	}
	require.Len(t, starts, 1, "it has counted from the same start")
}

// Google's Telemetry API is stood in for by a receiver that asks for its tokens. They are
// good for less than their renewal takes beforehand, so that each request has a new one.
func otlpGoogle(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			google, authority := googletest.Start(t), otlptest.NewAuthority(t)
			google.Lifetime = 200
			server := otlptest.Start(t, authority.Server(false))
			key := filepath.Join(t.TempDir(), "key.json")
			google.WriteKey(t, key)
			endpoint := server.GRPC
			if protocol != "grpc" {
				endpoint = server.HTTP
			}
			r := newOTLPMetricsRig(t, protocol)
			r.settings.OTLP = otlpKeys("https://"+endpoint, "protocol: "+protocol, "auth: google", "tls: {ca_file: '"+authority.CAFile+"'}", "metrics: {interval: 1s}")
			a := r.live(t, binary, "GOOGLE_APPLICATION_CREDENTIALS="+key, "GOOGLE_CLOUD_QUOTA_PROJECT=payer")
			a.WaitReady(t, a.Ready())
			require.NoError(t, r.mark(1))
			server.WaitFor(t, "both signals", func([]*otlptest.Request) bool {
				return len(server.Readings()) >= 2 && slices.Contains(server.Bodies(), "MARK 1")
			})
			tokens := map[string]bool{}
			for _, request := range server.Requests() {
				token := request.Header.Get("authorization")
				require.Len(t, token, 1)
				require.Regexp(t, `^Bearer token-\d+$`, token[0])
				require.Equal(t, []string{"payer"}, request.Header.Get("x-goog-user-project"))
				tokens[token[0]] = true
			}
			require.Greater(t, len(tokens), 1, "tokens are renewed")
			about := texts(server.Readings()[0].Metrics.GetResourceMetrics()[0].GetResource().GetAttributes())
			require.Equal(t, "project-of-key", about["gcp.project_id"])
		})
	}
}

// What an hour of metrics of an idle node costs the network is reckoned from readings that
// come more often than by default.
func otlpMetricsIdle(t *testing.T) {
	const headers, hour = 2 * 66, 60 // an hour has 60 readings
	for _, compression := range []string{"none", "gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			r := newOTLPMetricsRig(t, "grpc")
			w := newWire(t, r.collector.GRPC)
			r.settings.OTLP = otlpKeys("http://"+w.address, "probe_interval: 0s", "compression: "+compression, "metrics: {interval: 1s}")
			a := r.live(t, binary)
			a.WaitReady(t, a.Ready())
			readings := func() int {
				return int(a.Sum(t, "otelnpd_otlp_requests_total", map[string]string{"signal": "metrics"}))
			}
			require.Eventually(t, func() bool { return readings() >= 2 }, patience, tick)
			before, bytes, pieces, _ := measured(readings, w)
			require.Eventually(t, func() bool { return readings() >= before+10 }, patience, tick)
			after, bytesAfter, piecesAfter, opened := measured(readings, w)
			each := (bytesAfter - bytes + headers*(piecesAfter-pieces)) / (after - before)
			points := a.Sum(t, "otelnpd_otlp_sent_data_points_total", nil) / float64(after)
			t.Logf("a reading of %.0f data points is %d bytes in %d pieces, an hour of them %d bytes", points, each, (piecesAfter-pieces)/(after-before), each*hour)
			require.Equal(t, 1, opened, "one connection is enough")
		})
	}
}
