package pstore

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the receiver's type in the configuration.
const Type = "pstore"

// NewFactory returns the factory of the receiver.
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
	counters, err := newCounters(settings)
	if err != nil {
		return nil, err
	}
	return &Receiver{
		settings: settings, config: config, next: next, id: settings.ID.String(), counters: counters,
		stop: make(chan struct{}), done: make(chan struct{}),
		skipped: map[string]string{}, told: map[string]uint64{},
	}, nil
}

// counters are the receiver's own metrics.
type counters struct {
	dumps, files, removed, cut metric.Int64Counter
	receiver                   attribute.KeyValue
}

func newCounters(settings pipeline.Settings) (counters, error) {
	c := counters{receiver: attribute.String("receiver", settings.ID.String())}
	for _, one := range []struct {
		counter                 *metric.Int64Counter
		name, unit, description string
	}{
		{&c.dumps, "otelnpd.pstore.told_dumps", "{dump}", "Dumps of earlier boots that have been told, by the kernel's reason for them."},
		{&c.files, "otelnpd.pstore.skipped_files", "{file}", "Files that the kernel has saved of earlier boots and that were left out."},
		{&c.removed, "otelnpd.pstore.removed_files", "{file}", "Files that were removed from pstore, since what they hold has been told."},
		{&c.cut, "otelnpd.receiver.cut_lines", "{line}", "Lines that were longer than a receiver takes, and cut."},
	} {
		var err error
		if *one.counter, err = settings.Meter.Int64Counter(one.name, metric.WithUnit(one.unit), metric.WithDescription(one.description)); err != nil {
			return c, fmt.Errorf("make the counter %s: %w", one.name, err)
		}
	}
	ctx := context.Background()
	for _, reason := range []string{reasonPanic, reasonOops, "Emergency", "Shutdown", reasonReset, reasonUnknown} {
		c.add(ctx, c.dumps, 0, attribute.String("reason", reason))
	}
	for _, reason := range skipReasons {
		c.add(ctx, c.files, 0, attribute.String("reason", reason))
	}
	c.add(ctx, c.removed, 0)
	c.add(ctx, c.cut, 0)
	return c, nil
}

func (c *counters) add(ctx context.Context, counter metric.Int64Counter, n int, more ...attribute.KeyValue) {
	counter.Add(ctx, int64(n), metric.WithAttributeSet(attribute.NewSet(append(more, c.receiver)...)))
}
