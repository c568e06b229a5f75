package metricpoint_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/otelnpd/otelnpd/exporters/otlp/metricpoint"
)

var (
	zero = time.Unix(1000, 0)
	one  = zero.Add(time.Minute)
	two  = one.Add(time.Minute)
)

func scopes(metrics ...metricdata.Metrics) []metricdata.ScopeMetrics {
	return []metricdata.ScopeMetrics{{
		Scope:   instrumentation.Scope{Name: "scope", Version: "1", SchemaURL: "https://schema", Attributes: attribute.NewSet(attribute.Bool("a", true))},
		Metrics: metrics,
	}}
}

func point[N int64 | float64](value N, at time.Time, attributes ...attribute.KeyValue) metricdata.DataPoint[N] {
	return metricdata.DataPoint[N]{Attributes: attribute.NewSet(attributes...), StartTime: zero, Time: at, Value: value}
}

func counter(name string, points ...metricdata.DataPoint[int64]) metricdata.Metrics {
	return metricdata.Metrics{Name: name, Unit: "{x}", Data: metricdata.Sum[int64]{
		Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: points,
	}}
}

func histogramOf(name string, at time.Time, sum float64, counts ...uint64) metricdata.Metrics {
	total := uint64(0)
	for _, n := range counts {
		total += n
	}
	return metricdata.Metrics{Name: name, Unit: "s", Data: metricdata.Histogram[float64]{
		Temporality: metricdata.CumulativeTemporality,
		DataPoints: []metricdata.HistogramDataPoint[float64]{{
			StartTime: zero, Time: at, Count: total, Sum: sum, Bounds: []float64{1, 2}, BucketCounts: counts,
			Min: metricdata.NewExtrema(0.5), Max: metricdata.NewExtrema(3.0),
		}},
	}}
}

func TestFields(t *testing.T) {
	made := metricpoint.Scopes(scopes(
		counter("c", point(int64(3), one, attribute.String("k", "\xff"), attribute.Int("n", 2))),
		metricdata.Metrics{Name: "g", Description: "what", Unit: "By", Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{point(1.5, one)}}},
		metricdata.Metrics{Name: "u", Data: metricdata.Sum[float64]{Temporality: metricdata.DeltaTemporality, DataPoints: []metricdata.DataPoint[float64]{point(-1.5, one)}}},
		histogramOf("h", one, 4, 1, 0, 1),
		metricdata.Metrics{Name: "i", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Time: one, Value: -7}}}},
	))
	require.Len(t, made, 1)
	got, err := protojson.Marshal(made[0])
	require.NoError(t, err)
	require.JSONEq(t, `{
		"scope": {"name": "scope", "version": "1", "attributes": [{"key": "a", "value": {"boolValue": true}}]},
		"schemaUrl": "https://schema",
		"metrics": [
			{"name": "c", "unit": "{x}", "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "isMonotonic": true, "dataPoints": [
				{"attributes": [{"key": "k", "value": {"stringValue": "\\xff"}}, {"key": "n", "value": {"intValue": "2"}}],
				 "startTimeUnixNano": "1000000000000", "timeUnixNano": "1060000000000", "asInt": "3"}]}},
			{"name": "g", "description": "what", "unit": "By", "gauge": {"dataPoints": [
				{"startTimeUnixNano": "1000000000000", "timeUnixNano": "1060000000000", "asDouble": 1.5}]}},
			{"name": "u", "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "dataPoints": [
				{"startTimeUnixNano": "1000000000000", "timeUnixNano": "1060000000000", "asDouble": -1.5}]}},
			{"name": "h", "unit": "s", "histogram": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "dataPoints": [
				{"startTimeUnixNano": "1000000000000", "timeUnixNano": "1060000000000", "count": "2", "sum": 4,
				 "bucketCounts": ["1", "0", "1"], "explicitBounds": [1, 2], "min": 0.5, "max": 3}]}},
			{"name": "i", "gauge": {"dataPoints": [{"timeUnixNano": "1060000000000", "asInt": "-7"}]}}
		]}`, string(got))
	require.Empty(t, metricpoint.Scopes(scopes()))
	require.Empty(t, metricpoint.Scopes(nil))
}

func TestSplitAndHalves(t *testing.T) {
	many := func(name string, n int) metricdata.Metrics {
		var points []metricdata.DataPoint[int64]
		for i := range n {
			points = append(points, point(int64(i), one, attribute.Int("i", i)))
		}
		return counter(name, points...)
	}
	names := func(of []metricdata.ScopeMetrics) (all []string) {
		for _, scope := range of {
			require.NotEmpty(t, scope.Metrics)
			for _, metric := range scope.Metrics {
				all = append(all, scope.Scope.Name+metric.Name)
			}
		}
		return all
	}
	read := append(scopes(many("a", 2), many("b", 2), many("c", 9)), metricdata.ScopeMetrics{
		Scope: instrumentation.Scope{Name: "other"}, Metrics: []metricdata.Metrics{many("d", 3), many("e", 1), many("f", 1)},
	})
	require.Equal(t, 18, metricpoint.Count(read))
	var parts [][]string
	for _, part := range metricpoint.Split(read, 4) {
		parts = append(parts, names(part))
	}
	require.Equal(t, [][]string{{"scopea", "scopeb"}, {"scopec"}, {"otherd", "othere"}, {"otherf"}}, parts)
	require.Len(t, metricpoint.Split(read, 100), 1)
	require.Empty(t, metricpoint.Split(nil, 100))

	first, second, ok := metricpoint.Halves(read)
	require.True(t, ok)
	require.Equal(t, []string{"scopea", "scopeb", "scopec"}, names(first))
	require.Equal(t, []string{"otherd", "othere", "otherf"}, names(second))
	first, second, ok = metricpoint.Halves(second)
	require.True(t, ok)
	require.Equal(t, []string{"otherd"}, names(first))
	require.Equal(t, []string{"othere", "otherf"}, names(second))
	_, _, ok = metricpoint.Halves(first)
	require.False(t, ok)
}

func words(attributes []*commonpb.KeyValue) (words []string) {
	for _, one := range attributes {
		words = append(words, one.GetKey()+"="+one.GetValue().GetStringValue())
	}
	return words
}

// told is what deltas hold, as "metric value start-end" in seconds from zero.
func told(t *testing.T, of []metricdata.ScopeMetrics) (lines []string) {
	t.Helper()
	since := func(nanoseconds uint64) int64 { return int64(nanoseconds)/1e9 - zero.Unix() }
	for _, scope := range metricpoint.Scopes(of) {
		for _, metric := range scope.GetMetrics() {
			for _, p := range append(metric.GetSum().GetDataPoints(), metric.GetGauge().GetDataPoints()...) {
				lines = append(lines, fmt.Sprintf("%s%v %d %d-%d", metric.GetName(), words(p.GetAttributes()), p.GetAsInt(), since(p.GetStartTimeUnixNano()), since(p.GetTimeUnixNano())))
			}
			for _, p := range metric.GetHistogram().GetDataPoints() {
				lines = append(lines, fmt.Sprintf("%s %v %g %d-%d", metric.GetName(), p.GetBucketCounts(), p.GetSum(), since(p.GetStartTimeUnixNano()), since(p.GetTimeUnixNano())))
			}
			if metric.GetSum().GetIsMonotonic() || metric.GetHistogram() != nil {
				require.Contains(t, []metricspb.AggregationTemporality{metric.GetSum().GetAggregationTemporality(), metric.GetHistogram().GetAggregationTemporality()},
					metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA)
			}
		}
	}
	return lines
}

func TestDeltas(t *testing.T) {
	d := &metricpoint.Deltas{}
	first := scopes(counter("otelnpd.own", point(int64(5), one)), counter("system.time", point(int64(1000), one)), histogramOf("otelnpd.took", one, 3, 1, 1, 0))
	require.Equal(t, []string{"otelnpd.own[] 5 0-60", "otelnpd.took [1 1 0] 3 0-60"}, told(t, d.Of(first)), "what the kernel has counted before is not of this stretch")
	d.Taken(first)

	second := scopes(counter("otelnpd.own", point(int64(7), two)), counter("system.time", point(int64(1060), two)), histogramOf("otelnpd.took", two, 8, 1, 1, 2))
	want := []string{"otelnpd.own[] 2 60-120", "system.time[] 60 60-120", "otelnpd.took [0 0 2] 5 60-120"}
	require.Equal(t, want, told(t, d.Of(second)))
	require.Equal(t, want, told(t, d.Of(second)), "asked again, since nobody took it, it is the same")

	later := two.Add(time.Minute)
	third := scopes(counter("otelnpd.own", point(int64(9), later)), counter("system.time", point(int64(1100), later)), histogramOf("otelnpd.took", later, 8, 1, 1, 2))
	require.Equal(t, []string{"otelnpd.own[] 4 60-180", "system.time[] 100 60-180", "otelnpd.took [0 0 2] 5 60-180"}, told(t, d.Of(third)), "what was not taken is in the next")
	d.Taken(third)
	require.Empty(t, d.Of(third), "nothing has moved")
}

func TestDeltasOfWhatWasNeverTaken(t *testing.T) {
	d := &metricpoint.Deltas{}
	require.Empty(t, told(t, d.Of(scopes(counter("system.time", point(int64(1000), one))))))
	require.Equal(t, []string{"system.time[] 10 60-120"}, told(t, d.Of(scopes(counter("system.time", point(int64(1010), two))))),
		"the first value was kept though nobody took anything")
}

func TestResets(t *testing.T) {
	d := &metricpoint.Deltas{}
	d.Taken(scopes(counter("otelnpd.own", point(int64(5), one)), counter("system.time", point(int64(1000), one)), histogramOf("otelnpd.took", one, 3, 1, 1, 0)))
	anew := point(int64(6), two)
	anew.StartTime = one.Add(time.Second)
	require.Equal(t, []string{"otelnpd.own[] 6 61-120", "system.time[] 3 60-120", "otelnpd.took [1 0 0] 1 60-120"},
		told(t, d.Of(scopes(counter("otelnpd.own", anew), counter("system.time", point(int64(3), two)), histogramOf("otelnpd.took", two, 1, 1, 0, 0)))))
}

func TestWhatIsNoCounterStays(t *testing.T) {
	d := &metricpoint.Deltas{}
	upDown := metricdata.Metrics{Name: "otelnpd.queue", Data: metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.DataPoint[int64]{point(int64(4), one)}}}
	gauge := metricdata.Metrics{Name: "otelnpd.up", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{point(int64(1), one)}}}
	for range 2 {
		require.Equal(t, []string{"otelnpd.queue[] 4 0-60", "otelnpd.up[] 1 0-60"}, told(t, d.Of(scopes(upDown, gauge))))
		d.Taken(scopes(upDown, gauge))
	}
}

func TestLowMemory(t *testing.T) {
	d := &metricpoint.Deltas{OwnOnly: true}
	read := scopes(counter("problem_counter", point(int64(5), one)), counter("system.time", point(int64(1000), one)))
	made := metricpoint.Scopes(d.Of(read))[0].GetMetrics()
	require.Equal(t, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, made[0].GetSum().GetAggregationTemporality())
	require.Equal(t, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, made[1].GetSum().GetAggregationTemporality())
	require.EqualValues(t, 1000, made[1].GetSum().GetDataPoints()[0].GetAsInt())
}

func TestStreamsAreTakenApart(t *testing.T) {
	d := &metricpoint.Deltas{}
	of := func(a, b int64, at time.Time) []metricdata.ScopeMetrics {
		return scopes(counter("otelnpd.own", point(a, at, attribute.String("x", "a")), point(b, at, attribute.String("x", "b"))))
	}
	d.Taken(of(1, 10, one))
	require.Equal(t, []string{"otelnpd.own[x=b] 2 60-120"}, told(t, d.Of(of(1, 12, two))))
}

// TestPartsOfAReading: what is taken of one part says nothing of the others, however
// small it is.
func TestPartsOfAReading(t *testing.T) {
	of := func(value int64, at time.Time) (whole, small []metricdata.ScopeMetrics) {
		var points []metricdata.DataPoint[int64]
		for i := range 3000 {
			points = append(points, point(value, at, attribute.Int("i", i)))
		}
		return scopes(counter("otelnpd.many", points...)), scopes(counter("otelnpd.few", point(value, at)))
	}
	d := &metricpoint.Deltas{}
	many, few := of(5, one)
	d.Forget(append(many, few...))
	d.Taken(many)
	d.Taken(few)
	many, few = of(5, two)
	d.Forget(append(many, few...))
	require.Empty(t, d.Of(many), "it is told already")
	require.Empty(t, d.Of(few))
}

// TestStreamsThatAreGone: what was told of attributes that came and went is forgotten.
func TestStreamsThatAreGone(t *testing.T) {
	d := &metricpoint.Deltas{}
	for i := range 3000 {
		read := scopes(counter("otelnpd.own", point(int64(1), one, attribute.Int("i", i))))
		d.Forget(read)
		d.Taken(read)
	}
	require.LessOrEqual(t, d.Streams(), 1002)
	require.Empty(t, d.Of(scopes(counter("otelnpd.own", point(int64(1), two, attribute.Int("i", 2999))))), "the present one is not")
}
