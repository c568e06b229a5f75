package pipeline

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// ReasonCounter counts, by reason, what a receiver did not pass on, or not whole. Any
// goroutine may add to it.
type ReasonCounter struct {
	counter metric.Int64Counter
	reasons map[string]metric.AddOption
}

// NewReasonCounter makes a counter with the attributes `receiver` and `reason`, at 0
// for every reason that there is. Without reasons there is one, the empty text, and no
// attribute for it.
func NewReasonCounter(settings Settings, name, unit, description string, reasons ...string) (ReasonCounter, error) {
	counter, err := settings.Meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	if err != nil {
		return ReasonCounter{}, fmt.Errorf("make the counter %s: %w", name, err)
	}
	c := ReasonCounter{counter: counter, reasons: map[string]metric.AddOption{}}
	receiver := attribute.String("receiver", settings.ID.String())
	if len(reasons) == 0 {
		c.reasons[""] = metric.WithAttributeSet(attribute.NewSet(receiver))
		c.Add(context.Background(), "", 0)
	}
	for _, reason := range reasons {
		c.reasons[reason] = metric.WithAttributeSet(attribute.NewSet(receiver, attribute.String("reason", reason)))
		c.Add(context.Background(), reason, 0)
	}
	return c, nil
}

// Add counts n more for one of the reasons.
func (c *ReasonCounter) Add(ctx context.Context, reason string, n uint64) {
	c.counter.Add(ctx, int64(n), c.reasons[reason]) //nolint:gosec // counts of records
}
