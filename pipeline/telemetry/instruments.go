package telemetry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/otlptranslator"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Instrument is what is known of an instrument from the code that makes it.
type Instrument struct {
	// Name, Unit and Description as it was made with.
	Name, Unit, Description string
	// Kind of instrument.
	Kind sdkmetric.InstrumentKind
	// Scope is the package that made it.
	Scope string
	// Prometheus is the name that its metric has for Prometheus; empty: it has none there,
	// and is pushed alone.
	Prometheus string
}

// catalog gathers the instruments that are made. It is safe for concurrent use.
type catalog struct {
	mu   sync.Mutex
	made map[Instrument]struct{}
	// named are the names of instruments by that of their metric for Prometheus.
	named map[string]map[string]struct{}
}

func newCatalog() catalog {
	return catalog{made: map[Instrument]struct{}{}, named: map[string]map[string]struct{}{}}
}

// view sees every instrument of one MeterProvider when it is made, and changes
// none.
func (c *catalog) view(strategy otlptranslator.TranslationStrategyOption) sdkmetric.View {
	namer := otlptranslator.NewMetricNamer("", strategy)
	return func(made sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		name, err := namer.Build(otlptranslator.Metric{Name: made.Name, Unit: made.Unit, Type: metricType(made.Kind)})
		if err != nil {
			name = fmt.Sprintf("(%s)", err)
		}
		c.add(made, name)
		return sdkmetric.Stream{}, false
	}
}

// viewOfPushed is view for instruments that Prometheus does not see.
func (c *catalog) viewOfPushed() sdkmetric.View {
	return func(made sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		c.add(made, "")
		return sdkmetric.Stream{}, false
	}
}

func (c *catalog) add(made sdkmetric.Instrument, prometheus string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[Instrument{
		Name: made.Name, Unit: made.Unit, Description: made.Description,
		Kind: made.Kind, Scope: made.Scope.Name, Prometheus: prometheus,
	}] = struct{}{}
	if c.named[prometheus] == nil {
		c.named[prometheus] = map[string]struct{}{}
	}
	c.named[prometheus][made.Name] = struct{}{}
}

// metricType is what the metric of an instrument is by default.
func metricType(kind sdkmetric.InstrumentKind) otlptranslator.MetricType {
	switch kind {
	case sdkmetric.InstrumentKindCounter, sdkmetric.InstrumentKindObservableCounter:
		return otlptranslator.MetricTypeMonotonicCounter
	case sdkmetric.InstrumentKindUpDownCounter, sdkmetric.InstrumentKindObservableUpDownCounter:
		return otlptranslator.MetricTypeNonMonotonicCounter
	case sdkmetric.InstrumentKindHistogram:
		return otlptranslator.MetricTypeHistogram
	case sdkmetric.InstrumentKindGauge, sdkmetric.InstrumentKindObservableGauge:
		return otlptranslator.MetricTypeGauge
	default:
		return otlptranslator.MetricTypeUnknown
	}
}

// Instruments returns every instrument that was made so far, by name and scope: the
// reference of the agent's metrics is made from it.
func (t *Telemetry) Instruments() []Instrument {
	t.catalog.mu.Lock()
	defer t.catalog.mu.Unlock()
	list := make([]Instrument, 0, len(t.catalog.made))
	for one := range t.catalog.made {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Instrument) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Scope, b.Scope))
	})
	return list
}

// InstrumentsOf returns the names of the instruments that were made so far and whose
// metric has this name for Prometheus.
func (t *Telemetry) InstrumentsOf(metric string) []string {
	t.catalog.mu.Lock()
	defer t.catalog.mu.Unlock()
	return slices.Sorted(maps.Keys(t.catalog.named[metric]))
}
