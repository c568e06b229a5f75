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

// receiverEntry is the way from a receiver into its pipelines. It outlives a
// reload if the receiver does: then it leads to others. It counts the lines that
// the pipelines have accepted.
type receiverEntry struct {
	gate     *Gate
	next     Consumer // changes while the gate is held
	accepted metric.Int64Counter
	receiver metric.MeasurementOption
}

func newReceiverEntry(gate *Gate, meter metric.Meter, id ID, next Consumer) (*receiverEntry, error) {
	accepted, err := meter.Int64Counter("otelnpd.receiver.accepted_records",
		metric.WithUnit("{record}"),
		metric.WithDescription("Lines and verdicts that a receiver has passed on and the pipelines have accepted."))
	if err != nil {
		return nil, fmt.Errorf("make the counter of accepted records: %w", err)
	}
	receiver := metric.WithAttributeSet(attribute.NewSet(attribute.String("receiver", id.String())))
	accepted.Add(context.Background(), 0, receiver)
	return &receiverEntry{gate: gate, next: next, accepted: accepted, receiver: receiver}, nil
}

var _ Acceptor = (*receiverEntry)(nil)

// Consume brings the batch into all pipelines of the receiver: the gate sees it
// in all of them or in none.
func (e *receiverEntry) Consume(ctx context.Context, batch []Record) error {
	return e.ConsumeThen(ctx, batch, func() {})
}

// ConsumeThen is Consume; accepted is called while the gate still sees the batch.
func (e *receiverEntry) ConsumeThen(ctx context.Context, batch []Record, accepted func()) error {
	if err := e.gate.Enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := e.next.Consume(ctx, batch); err != nil {
		return err
	}
	n := int64(0)
	for i := range batch {
		if batch[i].IsLine() || (batch[i].Problem != nil && batch[i].Problem.Verdict != nil) {
			n++
		}
	}
	accepted()
	e.accepted.Add(ctx, n, e.receiver)
	return nil
}
