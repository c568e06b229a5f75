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
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindReceiver, Type)
			if err != nil {
				return nil, err
			}
			return New(shared, settings, own, next)
		},
	}
}

// New returns a receiver that has not started.
func New(shared *source.Shared, settings pipeline.Settings, config *Config, next pipeline.Consumer) (*Receiver, error) {
	var reasons []string
	for _, reason := range source.Reasons() {
		reasons = append(reasons, reason.String())
	}
	losses, err := newCounts(settings, "otelnpd.receiver.lost_records",
		"Records of a source that a receiver could not pass on.", append(reasons, lostRefused)...)
	if err != nil {
		return nil, err
	}
	skipped, err := newCounts(settings, "otelnpd.receiver.skipped_records",
		"Records of a source that a receiver left out, as its configuration says.", skippedDelay, skippedLookback, skippedFilter)
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		shared: shared, settings: settings, config: config, next: next, losses: losses, skipped: skipped,
		id: settings.ID.String(), source: sourceName(config.Path), wanted: newFilter(config),
	}
	r.accepted = r.move
	return r, nil
}

// Why records are not passed on, beside the source's own reasons of loss.
const (
	// lostRefused counts what came while the next stage was shutting down.
	lostRefused = "refused"

	skippedDelay    = "delay"
	skippedLookback = "lookback"
	skippedFilter   = "filter"
)

// counts counts records by reason.
type counts struct {
	counter metric.Int64Counter
	reasons map[string]metric.AddOption
}

// newCounts makes the counter of a receiver, at 0 for every reason.
func newCounts(settings pipeline.Settings, name, description string, reasons ...string) (counts, error) {
	counter, err := settings.Meter.Int64Counter(name, metric.WithUnit("{record}"), metric.WithDescription(description))
	if err != nil {
		return counts{}, fmt.Errorf("make the counter %s: %w", name, err)
	}
	c := counts{counter: counter, reasons: map[string]metric.AddOption{}}
	for _, reason := range reasons {
		c.reasons[reason] = metric.WithAttributeSet(attribute.NewSet(
			attribute.String("receiver", settings.ID.String()), attribute.String("reason", reason)))
		c.add(context.Background(), reason, 0)
	}
	return c, nil
}

func (c *counts) add(ctx context.Context, reason string, n uint64) {
	c.counter.Add(ctx, int64(n), c.reasons[reason]) //nolint:gosec // counts of records
}
