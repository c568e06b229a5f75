package kmsg

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// Type is the receiver's type in the configuration.
const Type = "kmsg"

// NewFactory returns the factory of receivers that share the readers of shared.
func NewFactory(shared *source.Shared) pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			own, ok := config.(*Config)
			if !ok {
				return nil, fmt.Errorf("configuration of type %T is not for receiver %s", config, Type)
			}
			return New(shared, settings, own, next)
		},
	}
}

// New returns a receiver that has not started.
func New(shared *source.Shared, settings pipeline.Settings, config *Config, next pipeline.Consumer) (*Receiver, error) {
	losses, err := newLosses(settings.Meter, settings.ID.String())
	if err != nil {
		return nil, err
	}
	return &Receiver{
		shared: shared, settings: settings, config: config, next: next, losses: losses,
		id: settings.ID.String(), wanted: newFilter(config),
		complete: config.takesAll(),
	}, nil
}

// losses counts lost records by reason.
type losses struct {
	counter metric.Int64Counter
	reasons map[string]metric.AddOption
}

// reasonRefused counts what came while the next stage was shutting down.
const reasonRefused = "refused"

func newLosses(meter metric.Meter, receiver string) (losses, error) {
	counter, err := meter.Int64Counter("otelnpd.receiver.lost_records",
		metric.WithUnit("{record}"),
		metric.WithDescription("Records of a source that a receiver could not pass on."))
	if err != nil {
		return losses{}, fmt.Errorf("make the counter of lost records: %w", err)
	}
	l := losses{counter: counter, reasons: map[string]metric.AddOption{}}
	names := []string{reasonRefused}
	for _, reason := range source.Reasons() {
		names = append(names, reason.String())
	}
	for _, name := range names {
		l.reasons[name] = metric.WithAttributeSet(attribute.NewSet(
			attribute.String("receiver", receiver), attribute.String("reason", name)))
		l.add(context.Background(), name, 0)
	}
	return l, nil
}

func (l *losses) add(ctx context.Context, reason string, n uint64) {
	l.counter.Add(ctx, int64(n), l.reasons[reason]) //nolint:gosec // counts of records
}
