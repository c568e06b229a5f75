package dedupe

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the processor's type in the configuration.
const Type = "dedupe"

// NewFactory returns the factory of the dedupe processor.
func NewFactory() pipeline.ProcessorFactory {
	return pipeline.ProcessorFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, _ pipeline.Config, next pipeline.Consumer) (pipeline.Processor, error) {
			return New(settings, next)
		},
	}
}

// New returns a processor that has seen nothing yet.
func New(settings pipeline.Settings, next pipeline.Consumer) (*Processor, error) {
	dropped, err := settings.Meter.Int64Counter("otelnpd.dedupe.dropped_records",
		metric.WithUnit("{record}"),
		metric.WithDescription("Lines that are no more than context because their source had given them before."))
	if err != nil {
		return nil, fmt.Errorf("make the counter of dropped records: %w", err)
	}
	p := &Processor{next: next, keeping: settings.Keeping, dropped: dropped}
	p.replayed = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", "replayed")))}
	dropped.Add(context.Background(), 0, p.replayed...)
	return p, nil
}
