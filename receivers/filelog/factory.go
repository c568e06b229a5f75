package filelog

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the receiver's type in the configuration.
const Type = "filelog"

// NewFactory returns the factory of filelog receivers.
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

// Why lines are not passed on.
const (
	// lostRefused counts what came while the next stage was shutting down.
	lostRefused = "refused"

	skippedDelay    = "delay"
	skippedLookback = "lookback"
	skippedFilter   = "filter"
	skippedUnparsed = "unparsed"
)

// counters are the receiver's own metrics.
type counters struct {
	lost, skipped, cut, files counter
}

// What became of files.
const (
	fileTruncated = "truncated"
	fileLost      = "lost"
)

func newCounters(settings *pipeline.Settings) (c counters, err error) {
	for _, one := range []struct {
		to                      *counter
		name, unit, description string
		key                     string
		values                  []string
	}{
		{&c.lost, "otelnpd.receiver.lost_records", "{record}", "Records of a source that a receiver could not pass on.", "reason", []string{lostRefused}},
		{
			&c.skipped, "otelnpd.receiver.skipped_records", "{record}", "Records of a source that a receiver left out, as its configuration says.",
			"reason", []string{skippedDelay, skippedLookback, skippedFilter, skippedUnparsed},
		},
		{&c.cut, "otelnpd.receiver.cut_lines", "{line}", "Lines that were longer than a receiver takes, and cut.", "", []string{""}},
		{
			&c.files, "otelnpd.receiver.broken_files", "{file}", "Files that were truncated while they were followed, or were gone before they were read to their ends.",
			"reason", []string{fileTruncated, fileLost},
		},
	} {
		counted, err := settings.Meter.Int64Counter(one.name, metric.WithUnit(one.unit), metric.WithDescription(one.description))
		if err != nil {
			return c, fmt.Errorf("make the counter %s: %w", one.name, err)
		}
		*one.to = newCounter(counted, settings.ID.String(), one.key, one.values)
	}
	return c, nil
}

// counter counts by the value of one attribute.
type counter struct {
	counted metric.Int64Counter
	by      map[string]metric.AddOption
}

// newCounter begins at 0 for every value.
func newCounter(counted metric.Int64Counter, receiver, key string, values []string) counter {
	c := counter{counted: counted, by: map[string]metric.AddOption{}}
	for _, value := range values {
		attributes := []attribute.KeyValue{attribute.String("receiver", receiver)}
		if key != "" {
			attributes = append(attributes, attribute.String(key, value))
		}
		c.by[value] = metric.WithAttributeSet(attribute.NewSet(attributes...))
		counted.Add(context.Background(), 0, c.by[value])
	}
	return c
}

func (c *counter) add(ctx context.Context, value string, n uint64) {
	if n > 0 {
		c.counted.Add(ctx, int64(n), c.by[value]) //nolint:gosec // counts of lines
	}
}
