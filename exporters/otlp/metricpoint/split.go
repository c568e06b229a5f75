package metricpoint

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// Split divides what was read into parts of at most so many data points, or of one
// metric that has more. The order is kept.
func Split(read []metricdata.ScopeMetrics, most int) (parts [][]metricdata.ScopeMetrics) {
	var part []metricdata.ScopeMetrics
	room := most
	for _, scope := range read {
		open := false // the part's last scope is this one
		for _, one := range scope.Metrics {
			points := count(one.Data)
			if points > room && len(part) > 0 {
				parts, part, room, open = append(parts, part), nil, most, false
			}
			if !open {
				part, open = append(part, metricdata.ScopeMetrics{Scope: scope.Scope}), true
			}
			last := &part[len(part)-1]
			last.Metrics = append(last.Metrics, one)
			room -= points
		}
	}
	if len(part) > 0 {
		parts = append(parts, part)
	}
	return parts
}

// Halves divides what was read at the middle of its metrics; ok is false if there is
// only one, or none.
func Halves(read []metricdata.ScopeMetrics) (first, second []metricdata.ScopeMetrics, ok bool) {
	metrics := 0
	for _, scope := range read {
		metrics += len(scope.Metrics)
	}
	if metrics < 2 {
		return nil, nil, false
	}
	left := metrics / 2
	for _, scope := range read {
		head := min(left, len(scope.Metrics))
		left -= head
		if head > 0 {
			first = append(first, metricdata.ScopeMetrics{Scope: scope.Scope, Metrics: scope.Metrics[:head:head]})
		}
		if head < len(scope.Metrics) {
			second = append(second, metricdata.ScopeMetrics{Scope: scope.Scope, Metrics: scope.Metrics[head:]})
		}
	}
	return first, second, true
}
