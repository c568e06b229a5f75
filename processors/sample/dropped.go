package sample

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// reason is why a line does not pass.
type reason int

const (
	passes reason = iota
	belowSeverity
	notIncluded
	notInSample
	overRate
	reasons = int(overRate) + 1
)

func (r reason) String() string {
	return [reasons]string{"", "min_severity", "include", "ratio", "rate"}[r]
}

// dropped counts what does not pass.
type dropped struct {
	counter metric.Int64Counter
	by      [reasons]metric.AddOption
}

func newDropped(settings pipeline.Settings) (*dropped, error) {
	counter, err := settings.Meter.Int64Counter("otelnpd.sample.dropped_records", metric.WithUnit("{record}"),
		metric.WithDescription("Lines that a sample processor did not let pass, by reason."))
	if err != nil {
		return nil, fmt.Errorf("make the counter of lines that do not pass: %w", err)
	}
	d := &dropped{counter: counter}
	for why := belowSeverity; int(why) < reasons; why++ {
		d.by[why] = metric.WithAttributeSet(attribute.NewSet(
			attribute.String("processor", settings.ID.String()), attribute.String("reason", why.String())))
		counter.Add(context.Background(), 0, d.by[why])
	}
	return d, nil
}

func (d *dropped) add(ctx context.Context, lost *[reasons]int) {
	for why, lines := range lost {
		if lines > 0 {
			d.counter.Add(ctx, int64(lines), d.by[why])
		}
	}
}
