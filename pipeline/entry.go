package pipeline

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// entry is the way into a pipeline: one batch at a time, and the time that the
// one under way began, for the watchdog.
type entry struct {
	next  Consumer
	clock Clock

	mu    sync.Mutex
	since atomic.Int64 // boot clock in ns of the batch under way, 0 = none
}

func (e *entry) Consume(ctx context.Context, batch []Record) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.since.Store(max(1, int64(e.clock.Now().Boot)))
	defer e.since.Store(0)
	return e.next.Consume(ctx, batch)
}

// busyFor tells how long the batch under way has been.
func (e *entry) busyFor() time.Duration {
	since := e.since.Load()
	if since == 0 {
		return 0
	}
	return e.clock.Now().Boot - time.Duration(since)
}

// acceptedCounter counts the lines that a receiver's pipelines have accepted.
type acceptedCounter struct {
	next     Consumer
	accepted metric.Int64Counter
	receiver metric.MeasurementOption
}

func newAcceptedCounter(meter metric.Meter, id ID, next Consumer) (*acceptedCounter, error) {
	accepted, err := meter.Int64Counter("otelnpd.receiver.accepted_records",
		metric.WithUnit("{record}"),
		metric.WithDescription("Lines and verdicts that a receiver has passed on and the pipelines have accepted."))
	if err != nil {
		return nil, fmt.Errorf("make the counter of accepted records: %w", err)
	}
	receiver := metric.WithAttributeSet(attribute.NewSet(attribute.String("receiver", id.String())))
	accepted.Add(context.Background(), 0, receiver)
	return &acceptedCounter{next: next, accepted: accepted, receiver: receiver}, nil
}

func (c *acceptedCounter) Consume(ctx context.Context, batch []Record) error {
	if err := c.next.Consume(ctx, batch); err != nil {
		return err
	}
	n := int64(0)
	for i := range batch {
		if batch[i].IsLine() || (batch[i].Problem != nil && batch[i].Problem.Verdict != nil) {
			n++
		}
	}
	c.accepted.Add(ctx, n, c.receiver)
	return nil
}
