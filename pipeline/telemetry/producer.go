package telemetry

import (
	"context"
	"errors"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Family is a family of metrics.
type Family string

// The families that an exporter which pushes may want.
const (
	// SemConv is what follows OpenTelemetry: the agent's own metrics, and those of the
	// node by semantic conventions if they are on.
	SemConv Family = "semconv"
	// NPD is problem_counter, problem_gauge, and the metrics of the node by
	// node-problem-detector's names if they are on.
	NPD Family = "npd"
	// Process is the agent's own process by semantic conventions. Prometheus has it by
	// names of its own.
	Process Family = "process"
)

// Source gives exporters that push what they push.
type Source interface {
	// Producer reads families of metrics.
	Producer(families ...Family) sdkmetric.Producer
}

// Producer reads families of metrics: what they are at one moment, cumulative, never
// in the middle of a reload. It is for exporters that push, which have no MeterProvider of
// their own: so exporters come and go while instruments stay. It is safe for concurrent use.
func (t *Telemetry) Producer(families ...Family) sdkmetric.Producer {
	return producer{t, families}
}

type producer struct {
	telemetry *Telemetry
	families  []Family
}

// Produce implements [sdkmetric.Producer]. What can be read is returned beside the
// error.
func (p producer) Produce(ctx context.Context) (all []metricdata.ScopeMetrics, err error) {
	p.telemetry.read(func() { all, err = p.collect(ctx) })
	return all, err
}

func (p producer) collect(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	var all []metricdata.ScopeMetrics
	var errs []error
	for _, family := range p.families {
		reader := p.telemetry.readers[family]
		if reader == nil {
			return nil, fmt.Errorf("there is no family %q of metrics", family)
		}
		var read metricdata.ResourceMetrics // its own: another may be read at the same time
		errs = append(errs, reader.Collect(ctx, &read))
		all = append(all, read.ScopeMetrics...)
	}
	return all, errors.Join(errs...)
}

// newReader makes the reader that Producer reads a family by. It costs nothing until it is
// asked.
func (t *Telemetry) newReader(family Family) sdkmetric.Reader {
	t.readers[family] = sdkmetric.NewManualReader()
	return t.readers[family]
}
