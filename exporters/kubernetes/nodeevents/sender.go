package nodeevents

import (
	"context"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
)

// forbiddenPatience is how long an Event is tried that may not be written: rights
// are often given a moment after the agent.
const forbiddenPatience = time.Minute

// sender is what Run and Drain remember of the API server.
type sender struct{ backoff apiserver.Backoff }

// Run writes Events, one after the other, until ctx ends.
//
//nolint:contextcheck // counting needs no context
func (r *Recorder) Run(ctx context.Context) {
	for ctx.Err() == nil {
		d, wait := r.next(false)
		if d == nil {
			r.await(ctx, wait)
			continue
		}
		r.deliver(ctx, d)
	}
}

// Drain closes the recorder and writes what is left, as far as ctx lets, without
// regard to budgets. What cannot be written is kept where that outlives the agent;
// else it is counted as suppressed, and is an error. It is called once Run has
// returned.
//
//nolint:contextcheck // counting needs no context
func (r *Recorder) Drain(ctx context.Context) error {
	r.Close()
	for ctx.Err() == nil {
		d, _ := r.next(true)
		if d == nil {
			break
		}
		r.deliver(ctx, d)
	}
	defer r.Retire()
	if r.options.Keeping.KeepsAfter(ctx) {
		if left := r.waiting(); left > 0 {
			r.options.Logger.Info(fmt.Sprintf("%d occurrences are kept for the next start", left))
		}
		return nil
	}
	if left := r.abandon(); left > 0 {
		return fmt.Errorf("%d occurrences could not be told by Kubernetes Events before the end", left)
	}
	return nil
}

func (r *Recorder) next(last bool) (*delivery, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.changed()
	return r.ledger.next(r.options.Clock.Now(), last)
}

func (r *Recorder) settle(d *delivery, v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ledger.settle(d, v)
	r.changed()
}

// end ends a delivery by what the API server said.
func (r *Recorder) end(d *delivery, err error) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := judge(err, d.trial(), r.options.Clock.Now())
	r.ledger.settle(d, v)
	r.changed()
	return v
}

func (r *Recorder) waiting() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.pending
}

func (r *Recorder) abandon() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.ledger.abandon()
	r.changed()
	return left
}

// deliver tries once, and after an error that may pass waits for the next try.
//
//nolint:contextcheck // counting needs no context
func (r *Recorder) deliver(ctx context.Context, d *delivery) {
	if d.summary != nil && !d.summary.logged {
		d.summary.logged = true
		r.options.Logger.Warn("Events were suppressed", "summary", d.event.Message)
	}
	err := r.options.Write(ctx, d.event)
	if err == nil {
		faultpoint.Reach("kubernetes.event.accepted")
	}
	if err != nil && ctx.Err() != nil {
		r.settle(d, again)
		return
	}
	v := r.end(d, err)
	r.options.Status(err)
	switch v {
	case accepted:
		r.sender.backoff.Reset()
	case refused:
		r.options.Logger.Error("the API server refuses an Event, which is lost",
			"event", d.event.Name, "event_reason", d.event.Reason, "error", err)
	case again:
		pause(ctx, r.sender.backoff.Next(err))
	}
}

// judge tells what an answer means for the Event.
func judge(err error, t *trial, now pipeline.Instant) verdict {
	kind := apiserver.KindOf(err)
	if kind != apiserver.Forbidden {
		t.forbidden = 0
	}
	switch {
	case err == nil:
		return accepted
	case kind == apiserver.Refused:
		return refused
	case kind != apiserver.Forbidden:
		return again
	case t.forbidden == 0:
		t.forbidden = now.Boot
		return again
	case now.Boot-t.forbidden < forbiddenPatience:
		return again
	default:
		return refused
	}
}

// await waits for news, or so long if that is not 0.
func (r *Recorder) await(ctx context.Context, wait time.Duration) {
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-r.news:
	case <-over:
	case <-ctx.Done():
	}
}

func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
