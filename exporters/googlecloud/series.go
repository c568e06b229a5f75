package googlecloud

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/npd/guestmetrics"
	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
)

// shaper makes of what the agent has measured what Cloud Monitoring takes: metrics
// under the names of their types, with the value types that these have, and counters
// with the starts of their streams. It leaves what it is given as it is.
type shaper struct {
	filter metricfilter.Config
	typing *typing
	whole  *streams[int64]
	real   *streams[float64]
	// dropped is told of each metric that is left out, once.
	dropped func(name, reason string)
	told    map[string]bool
}

func newShaper(config *Config, dropped func(name, reason string)) *shaper {
	return &shaper{
		filter: config.Config, typing: newTyping(config), whole: newStreams[int64](), real: newStreams[float64](),
		dropped: dropped, told: map[string]bool{},
	}
}

// shape returns the metrics to write.
func (s *shaper) shape(scopes []metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
	var shaped metricdata.ScopeMetrics
	for _, scope := range scopes {
		for _, one := range scope.Metrics {
			if !s.filter.Match(one.Name) {
				continue
			}
			if made := s.metric(one); made.Data != nil {
				shaped.Metrics = append(shaped.Metrics, made)
			}
		}
	}
	s.whole.forget()
	s.real.forget()
	return []metricdata.ScopeMetrics{shaped}
}

func (s *shaper) metric(one metricdata.Metrics) metricdata.Metrics {
	kind, reason := s.typing.of(one.Name)
	if reason != "" {
		if !s.told[one.Name] {
			s.told[one.Name] = true
			s.dropped(one.Name, reason)
		}
		return metricdata.Metrics{}
	}
	made := metricdata.Metrics{Name: kind.Name, Data: s.data(one, kind.Values)}
	if !guestmetrics.IsGoogles(kind.Name) {
		made.Unit, made.Description = unitOf(one.Unit), one.Description
	}
	return made
}

// data returns the points in the value type that is wanted.
func (s *shaper) data(one metricdata.Metrics, want guestmetrics.ValueType) metricdata.Aggregation {
	switch data := one.Data.(type) {
	case metricdata.Gauge[int64]:
		return gauge(data.DataPoints, want, guestmetrics.Whole)
	case metricdata.Gauge[float64]:
		return gauge(data.DataPoints, want, guestmetrics.Real)
	case metricdata.Sum[int64]:
		if !data.IsMonotonic {
			return gauge(data.DataPoints, want, guestmetrics.Whole)
		}
		return sum(s.whole.since(one.Name, data.DataPoints), want, guestmetrics.Whole)
	case metricdata.Sum[float64]:
		if !data.IsMonotonic {
			return gauge(data.DataPoints, want, guestmetrics.Real)
		}
		return sum(s.real.since(one.Name, data.DataPoints), want, guestmetrics.Real)
	default: // a histogram
		return data
	}
}

func gauge[N int64 | float64](points []metricdata.DataPoint[N], want, have guestmetrics.ValueType) metricdata.Aggregation {
	if len(points) == 0 {
		return nil
	}
	if cmp.Or(want, have) == guestmetrics.Real {
		return metricdata.Gauge[float64]{DataPoints: convert[float64](points)}
	}
	return metricdata.Gauge[int64]{DataPoints: convert[int64](points)}
}

func sum[N int64 | float64](points []metricdata.DataPoint[N], want, have guestmetrics.ValueType) metricdata.Aggregation {
	if len(points) == 0 {
		return nil
	}
	if cmp.Or(want, have) == guestmetrics.Real {
		return metricdata.Sum[float64]{DataPoints: convert[float64](points), Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
	}
	return metricdata.Sum[int64]{DataPoints: convert[int64](points), Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
}

// convert copies points into another value type. A real number that is to be a whole
// one is rounded.
func convert[To, From int64 | float64](points []metricdata.DataPoint[From]) []metricdata.DataPoint[To] {
	made := make([]metricdata.DataPoint[To], 0, len(points))
	for _, point := range points {
		made = append(made, metricdata.DataPoint[To]{
			Attributes: labels(point.Attributes), StartTime: point.StartTime, Time: point.Time,
			Value: number[To](point.Value),
		})
	}
	return made
}

func number[To, From int64 | float64](value From) To {
	if _, whole := any(To(0)).(int64); whole {
		if rounded, isReal := any(value).(float64); isReal {
			return To(math.Round(rounded))
		}
	}
	return To(value)
}

// labels cuts values that are longer than Cloud Monitoring takes, such as the mount
// options of an overlay: the whole series would be refused.
func labels(set attribute.Set) attribute.Set {
	long := func(one attribute.KeyValue) bool {
		return one.Value.Type() == attribute.STRING && len(one.Value.AsString()) > maxLabel
	}
	all := set.ToSlice()
	if !slices.ContainsFunc(all, long) {
		return set
	}
	for i, one := range all {
		if long(one) {
			all[i] = one.Key.String(cut(one.Value.AsString(), maxLabel))
		}
	}
	return attribute.NewSet(all...)
}

// cut shortens text without cutting a character in two.
func cut(text string, size int) string {
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}

// unitOf writes a unit of node-problem-detector's as UCUM does, as Cloud Monitoring
// wants it.
func unitOf(unit string) string {
	switch strings.ToLower(unit) {
	case "byte", "bytes":
		return "By"
	case "second", "seconds":
		return "s"
	default:
		return unit
	}
}
