package state

import (
	"context"
	"fmt"
	"time"
)

// Sync returns once a cut that was taken after the call is durable. The error is
// [ErrDegraded], with the reason, when the write fails or hangs or a pipeline
// makes no progress; [ErrMemory] without a state directory; or that of ctx. Before
// Start it waits for that.
func (w *Writer) Sync(ctx context.Context) error {
	if w == nil {
		return ErrMemory
	}
	answer, err := w.ask()
	if err != nil {
		return err
	}
	w.look()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the state to be written: %w", ctx.Err())
	}
}

// ask enters somebody who waits for the next write.
func (w *Writer) ask() (<-chan error, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blocked != nil {
		return nil, degraded(w.blocked)
	}
	answer := make(chan error, 1)
	w.waiting = append(w.waiting, answer)
	return answer, nil
}

func degraded(why error) error { return fmt.Errorf("%w: %w", ErrDegraded, why) }

// begin notes that a write is under way, for all who wait until now.
func (w *Writer) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serving, w.waiting = w.waiting, nil
}

// watch looks after the write from now on: if it takes too long, nobody waits for
// it any more, and state is degraded.
func (w *Writer) watch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(w.options.StallLimit, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.writing == timer { // or it has just ended
			w.stalls(fmt.Errorf("%w: a write takes more than %s", errNoAnswer, w.options.StallLimit))
		}
	})
	w.writing = timer
}

// stalls is called with mu held. The status comes before the answers: who was
// answered finds it told.
func (w *Writer) stalls(err error) {
	w.blocked = err
	w.setStatus(err)
	w.answer(degraded(err))
}

// finish ends the watch and tells how the write ended.
func (w *Writer) finish(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing != nil {
		w.writing.Stop()
		w.writing = nil
	}
	w.blocked = nil
	w.setStatus(err)
	answer := err
	if err != nil {
		answer = degraded(err)
	}
	for _, waiter := range w.serving {
		waiter <- answer
	}
	w.serving = nil
}

// release answers all, and every one who comes: there is no further write.
func (w *Writer) release(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocked = err
	w.answer(degraded(err))
}

// answer is called with mu held. Each waiter's channel has room.
func (w *Writer) answer(err error) {
	for _, waiters := range [][]chan error{w.serving, w.waiting} {
		for _, waiter := range waiters {
			waiter <- err
		}
	}
	w.serving, w.waiting = nil, nil
}
