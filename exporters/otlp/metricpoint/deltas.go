package metricpoint

import (
	"iter"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Deltas makes of counters and histograms that count from a start what has come since
// the receiver last took them. What it has not taken is in the next delta: so nothing is
// lost or told twice while it is away. It is not safe for concurrent use.
//
// Of a stream that is seen for the first time, all is told if the agent counts it itself,
// from nothing. What is read of the kernel has counted long before: its first value is
// only what the next is compared with. Up-down counters and gauges stay as they are, as
// OpenTelemetry's specification wants it.
type Deltas struct {
	// OwnOnly leaves what the agent only reads as it is.
	OwnOnly bool

	// taken are the points, by their streams, up to which all is told.
	taken map[stream]any
}

// stream is what a point is of.
type stream struct {
	scope, metric string
	attributes    attribute.Distinct
}

// slack is for how many more streams than there are now is remembered what was told.
const slack = 1000

// isOwn tells whether the agent counts a metric itself.
func isOwn(metric string) bool {
	return strings.HasPrefix(metric, "otelnpd.") || metric == "problem_counter"
}

// Of returns the deltas of what was read, and changes nothing of that. Metrics that have
// not moved are left out.
func (d *Deltas) Of(read []metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
	if d.taken == nil {
		d.taken = map[stream]any{}
	}
	made := make([]metricdata.ScopeMetrics, 0, len(read))
	for _, scope := range read {
		own := metricdata.ScopeMetrics{Scope: scope.Scope}
		for _, one := range scope.Metrics {
			if one.Data = d.data(stream{scope: scope.Scope.Name, metric: one.Name}, one.Data); count(one.Data) > 0 {
				own.Metrics = append(own.Metrics, one)
			}
		}
		if len(own.Metrics) > 0 {
			made = append(made, own)
		}
	}
	return made
}

func (d *Deltas) data(of stream, data metricdata.Aggregation) metricdata.Aggregation {
	if d.OwnOnly && !isOwn(of.metric) {
		return data
	}
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		return deltaSum(d, of, data)
	case metricdata.Sum[float64]:
		return deltaSum(d, of, data)
	case metricdata.Histogram[int64]:
		return deltaHistogram(d, of, data)
	case metricdata.Histogram[float64]:
		return deltaHistogram(d, of, data)
	}
	return data
}

func deltaSum[N int64 | float64](d *Deltas, of stream, sum metricdata.Sum[N]) metricdata.Sum[N] {
	if !sum.IsMonotonic || sum.Temporality != metricdata.CumulativeTemporality {
		return sum
	}
	made := metricdata.Sum[N]{Temporality: metricdata.DeltaTemporality, IsMonotonic: true}
	for _, point := range sum.DataPoints {
		of.attributes = point.Attributes.Equivalent()
		before, known := d.taken[of].(metricdata.DataPoint[N])
		switch {
		case !known && !isOwn(of.metric):
			d.taken[of] = point
			continue
		case !known:
		case point.StartTime.After(before.StartTime):
			// It counts anew, and from when on is known.
		case point.Value == before.Value:
			continue
		default:
			point.StartTime = before.Time
			if point.Value > before.Value { // else it counts anew, nobody knows since when
				point.Value -= before.Value
			}
		}
		made.DataPoints = append(made.DataPoints, point)
	}
	return made
}

func deltaHistogram[N int64 | float64](d *Deltas, of stream, histogram metricdata.Histogram[N]) metricdata.Histogram[N] {
	if histogram.Temporality != metricdata.CumulativeTemporality {
		return histogram
	}
	made := metricdata.Histogram[N]{Temporality: metricdata.DeltaTemporality}
	for _, point := range histogram.DataPoints {
		of.attributes = point.Attributes.Equivalent()
		before, known := d.taken[of].(metricdata.HistogramDataPoint[N])
		switch {
		case !known && !isOwn(of.metric):
			d.taken[of] = point
			continue
		case !known, point.StartTime.After(before.StartTime):
		case point.Count == before.Count:
			continue
		default:
			point = since(point, before)
		}
		made.DataPoints = append(made.DataPoints, point)
	}
	return made
}

// since takes from a histogram's point what was in it before. Its least and its greatest
// value may be of before, and are not told.
func since[N int64 | float64](point, before metricdata.HistogramDataPoint[N]) metricdata.HistogramDataPoint[N] {
	point.StartTime = before.Time
	if point.Count < before.Count || !slices.Equal(point.Bounds, before.Bounds) {
		return point // it counts anew
	}
	point.BucketCounts = slices.Clone(point.BucketCounts)
	for i, counted := range before.BucketCounts {
		point.BucketCounts[i] -= min(counted, point.BucketCounts[i])
	}
	point.Count -= before.Count
	point.Sum -= before.Sum
	point.Min, point.Max = metricdata.Extrema[N]{}, metricdata.Extrema[N]{}
	return point
}

// Taken notes that the receiver has taken the deltas of what was read.
func (d *Deltas) Taken(read []metricdata.ScopeMetrics) {
	if d.taken == nil {
		d.taken = map[stream]any{}
	}
	for of, point := range streams(read) {
		if isOwn(of.metric) || !d.OwnOnly {
			d.taken[of] = point
		}
	}
}

// Forget drops the streams that are no more, once they are many. read is a whole
// reading, not a part of it: what is not in it is gone.
func (d *Deltas) Forget(read []metricdata.ScopeMetrics) {
	if len(d.taken) > Count(read)+slack {
		d.prune(read)
	}
}

// Inherit goes on where other deltas, which are of no use after that, have come to.
func (d *Deltas) Inherit(from *Deltas) { d.taken = from.taken }

// prune forgets the streams that are no more.
func (d *Deltas) prune(read []metricdata.ScopeMetrics) {
	left := map[stream]any{}
	for of := range streams(read) {
		if point, known := d.taken[of]; known {
			left[of] = point
		}
	}
	d.taken = left
}

// streams are the points of counters and histograms.
func streams(read []metricdata.ScopeMetrics) iter.Seq2[stream, any] {
	return func(yield func(stream, any) bool) {
		for _, scope := range read {
			for _, one := range scope.Metrics {
				for set, point := range points(one.Data) {
					if !yield(stream{scope: scope.Scope.Name, metric: one.Name, attributes: set.Equivalent()}, point) {
						return
					}
				}
			}
		}
	}
}

func points(data metricdata.Aggregation) iter.Seq2[attribute.Set, any] {
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		return sumPoints(data)
	case metricdata.Sum[float64]:
		return sumPoints(data)
	case metricdata.Histogram[int64]:
		return histogramPoints(data)
	case metricdata.Histogram[float64]:
		return histogramPoints(data)
	}
	return func(func(attribute.Set, any) bool) {}
}

func sumPoints[N int64 | float64](sum metricdata.Sum[N]) iter.Seq2[attribute.Set, any] {
	return func(yield func(attribute.Set, any) bool) {
		for _, point := range sum.DataPoints {
			if !sum.IsMonotonic || !yield(point.Attributes, point) {
				return
			}
		}
	}
}

func histogramPoints[N int64 | float64](histogram metricdata.Histogram[N]) iter.Seq2[attribute.Set, any] {
	return func(yield func(attribute.Set, any) bool) {
		for _, point := range histogram.DataPoints {
			point.BucketCounts = slices.Clone(point.BucketCounts) // the reader may use them again
			if !yield(point.Attributes, point) {
				return
			}
		}
	}
}
