package metricfilter

import (
	"context"
	"slices"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Producer returns a producer of those metrics of another one that pass, by the names
// of their instruments. It is safe for concurrent use if the other is.
func (c Config) Producer(of sdkmetric.Producer) sdkmetric.Producer {
	if c.All() {
		return of
	}
	return producer{Producer: of, config: c}
}

type producer struct {
	sdkmetric.Producer

	config Config
}

// Produce implements sdkmetric.Producer. A scope of which nothing passes is left out,
// and what there is beside an error passes with it.
func (p producer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	all, err := p.Producer.Produce(ctx)
	passed := make([]metricdata.ScopeMetrics, 0, len(all))
	for _, scope := range all {
		// The other's slices are not ours to change.
		scope.Metrics = slices.DeleteFunc(slices.Clone(scope.Metrics), func(one metricdata.Metrics) bool { return !p.config.Match(one.Name) })
		if len(scope.Metrics) > 0 {
			passed = append(passed, scope)
		}
	}
	return passed, err
}
