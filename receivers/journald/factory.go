package journald

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the receiver's type in the configuration.
const Type = "journald"

// NewFactory returns the factory of receivers that each have a reader of their own.
func NewFactory() pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindReceiver, Type)
			if err != nil {
				return nil, err
			}
			return New(settings, own, next)
		},
	}
}

// New returns a receiver that has not started.
func New(settings pipeline.Settings, config *Config, next pipeline.Consumer) (*Receiver, error) {
	r := &Receiver{settings: settings, config: config, next: next, id: settings.ID.String(), source: sourceName(config), tuning: defaultTuning}
	r.accepted = r.move
	var err error
	if r.losses, err = newCounts(settings, "otelnpd.receiver.lost_records", "{record}",
		"Records of a source that a receiver could not pass on.", lostRemoved, lostDamaged, lostRefused); err != nil {
		return nil, err
	}
	if r.skipped, err = newCounts(settings, "otelnpd.receiver.skipped_records", "{record}",
		"Records of a source that a receiver left out, as its configuration says.", skippedDelay, skippedLookback); err != nil {
		return nil, err
	}
	if r.cut, err = newCounts(settings, "otelnpd.receiver.cut_fields", "{field}",
		"Fields of a source's records that a receiver cut off because of their length.", cutLength); err != nil {
		return nil, err
	}
	return r, nil
}

// Why records are not passed on, or not whole.
const (
	// lostRemoved counts entries that were removed before they were read.
	lostRemoved = "removed"
	// lostDamaged counts entries that are not what was written.
	lostDamaged = "damaged"
	// lostRefused counts what came while the next stage was shutting down.
	lostRefused = "refused"

	skippedDelay    = "delay"
	skippedLookback = "lookback"

	cutLength = "length"
)

// counts counts by reason.
type counts struct {
	counter metric.Int64Counter
	reasons map[string]metric.AddOption
}

// newCounts makes a counter of a receiver, at 0 for every reason.
func newCounts(settings pipeline.Settings, name, unit, description string, reasons ...string) (counts, error) {
	counter, err := settings.Meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
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
