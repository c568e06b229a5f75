// Package metricpoint makes OTLP's metrics of those that OpenTelemetry's SDK reads:
// opentelemetry.proto.metrics.v1.
package metricpoint

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/otelnpd/otelnpd/exporters/otlp/logrecord"
)

// Scopes encodes what was read. Gauges, sums and histograms with buckets are known:
// the agent's instruments make no others. A scope of which nothing is left is left out.
func Scopes(read []metricdata.ScopeMetrics) []*metricspb.ScopeMetrics {
	var scopes []*metricspb.ScopeMetrics
	for _, scope := range read {
		var metrics []*metricspb.Metric
		for _, one := range scope.Metrics {
			if made := metric(one); made != nil {
				metrics = append(metrics, made)
			}
		}
		if len(metrics) == 0 {
			continue
		}
		scopes = append(scopes, &metricspb.ScopeMetrics{
			Scope: &commonpb.InstrumentationScope{
				Name: logrecord.Text(scope.Scope.Name), Version: logrecord.Text(scope.Scope.Version), Attributes: attributes(scope.Scope.Attributes),
			},
			Metrics: metrics, SchemaUrl: logrecord.Text(scope.Scope.SchemaURL),
		})
	}
	return scopes
}

func metric(of metricdata.Metrics) *metricspb.Metric {
	made := &metricspb.Metric{Name: logrecord.Text(of.Name), Description: logrecord.Text(of.Description), Unit: logrecord.Text(of.Unit)}
	switch data := of.Data.(type) {
	case metricdata.Gauge[int64]:
		made.Data = &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: numbers(data.DataPoints)}}
	case metricdata.Gauge[float64]:
		made.Data = &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: numbers(data.DataPoints)}}
	case metricdata.Sum[int64]:
		made.Data = sum(data)
	case metricdata.Sum[float64]:
		made.Data = sum(data)
	case metricdata.Histogram[int64]:
		made.Data = histogram(data)
	case metricdata.Histogram[float64]:
		made.Data = histogram(data)
	default:
		return nil
	}
	return made
}

func sum[N int64 | float64](of metricdata.Sum[N]) *metricspb.Metric_Sum {
	return &metricspb.Metric_Sum{Sum: &metricspb.Sum{
		AggregationTemporality: temporality(of.Temporality), IsMonotonic: of.IsMonotonic, DataPoints: numbers(of.DataPoints),
	}}
}

func histogram[N int64 | float64](of metricdata.Histogram[N]) *metricspb.Metric_Histogram {
	points := make([]*metricspb.HistogramDataPoint, 0, len(of.DataPoints))
	for i := range of.DataPoints {
		points = append(points, histogramPoint(&of.DataPoints[i]))
	}
	return &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{AggregationTemporality: temporality(of.Temporality), DataPoints: points}}
}

func histogramPoint[N int64 | float64](of *metricdata.HistogramDataPoint[N]) *metricspb.HistogramDataPoint {
	total := float64(of.Sum)
	made := &metricspb.HistogramDataPoint{
		Attributes: attributes(of.Attributes), StartTimeUnixNano: nanoseconds(of.StartTime), TimeUnixNano: nanoseconds(of.Time),
		Count: of.Count, Sum: &total, BucketCounts: of.BucketCounts, ExplicitBounds: of.Bounds,
	}
	if least, known := of.Min.Value(); known {
		made.Min = new(float64(least))
	}
	if most, known := of.Max.Value(); known {
		made.Max = new(float64(most))
	}
	return made
}

func numbers[N int64 | float64](points []metricdata.DataPoint[N]) []*metricspb.NumberDataPoint {
	made := make([]*metricspb.NumberDataPoint, 0, len(points))
	for i := range points {
		of := &points[i]
		one := &metricspb.NumberDataPoint{
			Attributes: attributes(of.Attributes), StartTimeUnixNano: nanoseconds(of.StartTime), TimeUnixNano: nanoseconds(of.Time),
		}
		switch value := any(of.Value).(type) {
		case int64:
			one.Value = &metricspb.NumberDataPoint_AsInt{AsInt: value}
		case float64:
			one.Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: value}
		}
		made = append(made, one)
	}
	return made
}

func temporality(of metricdata.Temporality) metricspb.AggregationTemporality {
	switch of {
	case metricdata.CumulativeTemporality:
		return metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	case metricdata.DeltaTemporality:
		return metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	default:
		return metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED
	}
}

func attributes(set attribute.Set) []*commonpb.KeyValue {
	made := make([]*commonpb.KeyValue, 0, set.Len())
	for each := set.Iter(); each.Next(); {
		one := each.Attribute()
		made = append(made, &commonpb.KeyValue{Key: logrecord.Text(string(one.Key)), Value: logrecord.Value(one.Value)})
	}
	return made
}

// nanoseconds is an instant as OTLP has it; 0: it is not known.
func nanoseconds(at time.Time) uint64 {
	if at.IsZero() || at.Unix() < 0 {
		return 0
	}
	return uint64(at.UnixNano())
}

// Count is how many data points there are.
func Count(read []metricdata.ScopeMetrics) (points int) {
	for _, scope := range read {
		for _, one := range scope.Metrics {
			points += count(one.Data)
		}
	}
	return points
}

func count(data metricdata.Aggregation) int {
	switch data := data.(type) {
	case metricdata.Gauge[int64]:
		return len(data.DataPoints)
	case metricdata.Gauge[float64]:
		return len(data.DataPoints)
	case metricdata.Sum[int64]:
		return len(data.DataPoints)
	case metricdata.Sum[float64]:
		return len(data.DataPoints)
	case metricdata.Histogram[int64]:
		return len(data.DataPoints)
	case metricdata.Histogram[float64]:
		return len(data.DataPoints)
	default:
		return 0
	}
}
