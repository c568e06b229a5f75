package conditions

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Type is the processor's type in the configuration.
const Type = "conditions"

// NewFactory returns the factory of processors that feed the store. It may be
// nil as long as none is made.
func NewFactory(store *condition.Store) pipeline.ProcessorFactory {
	return pipeline.ProcessorFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, _ pipeline.Config, next pipeline.Consumer) (pipeline.Processor, error) {
			return newProcessor(store, settings.Meter, next)
		},
	}
}

func newProcessor(store *condition.Store, meter metric.Meter, next pipeline.Consumer) (*processor, error) {
	dropped, err := meter.Int64Counter("otelnpd.conditions.dropped_problems",
		metric.WithUnit("{problem}"),
		metric.WithDescription("Matches, recoveries and verdicts that the conditions did not hear, by reason."))
	if err != nil {
		return nil, fmt.Errorf("make the counter of dropped problems: %w", err)
	}
	joined, err := meter.Int64Counter("otelnpd.conditions.joined_other",
		metric.WithUnit("{problem}"),
		metric.WithDescription("Matches and verdicts on instances beyond the limit, which joined the instance (other)."))
	if err != nil {
		return nil, fmt.Errorf("make the counter of surplus instances: %w", err)
	}
	p := &processor{store: store, next: next, dropped: dropped, joined: joined, reasons: map[condition.Drop]metric.AddOption{}}
	for _, reason := range condition.Drops {
		option := metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", string(reason))))
		p.reasons[reason] = option
		dropped.Add(context.Background(), 0, option)
	}
	joined.Add(context.Background(), 0)
	return p, nil
}
