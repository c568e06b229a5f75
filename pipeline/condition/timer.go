package condition

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// timer is the goroutine that lets a store's timers act.
type timer struct {
	wake chan struct{}
	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

func newTimer() timer { return timer{wake: make(chan struct{}, 1)} }

// poke makes the goroutine look again when the next timer is due.
func (t *timer) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Start begins to let timers act. ctx is that of starting alone.
func (s *Store) Start(context.Context) error {
	s.timer.mu.Lock()
	defer s.timer.mu.Unlock()
	if s.timer.stop != nil {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	s.timer.stop, s.timer.done = stop, make(chan struct{})
	go s.runTimers(ctx, s.timer.done) //nolint:contextcheck // the timers outlive the start
	return nil
}

// Shutdown ends the timers and waits for a transition under way. It may be
// called twice, and without Start.
func (s *Store) Shutdown(ctx context.Context) error {
	s.timer.mu.Lock()
	stop, done := s.timer.stop, s.timer.done
	s.timer.stop, s.timer.done = nil, nil
	s.timer.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the timers of the conditions: %w", ctx.Err())
	}
}

// runTimers sleeps until the next timer is due. Go's timers do not count a
// suspend and the boot clock does: hence it looks at least once a minute while
// something is due at all.
func (s *Store) runTimers(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	for {
		var due <-chan time.Time
		var sleep *time.Timer
		if wait, ok := s.untilNext(); ok {
			sleep = time.NewTimer(min(max(wait, time.Millisecond), time.Minute))
			due = sleep.C
		}
		select {
		case <-ctx.Done():
		case <-s.timer.wake:
		case <-due:
			s.tick(ctx)
		}
		if sleep != nil {
			sleep.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (s *Store) untilNext() (time.Duration, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.state == nil {
		return 0, false
	}
	at, ok := s.state.NextTimer()
	return at - s.options.Clock.Now().Boot, ok
}

func (s *Store) tick(ctx context.Context) {
	s.input.Lock()
	defer s.input.Unlock()
	if _, err := s.step(ctx, &Tick{}, s.book, s.now()); err != nil && ctx.Err() == nil {
		s.options.Logger.Debug("an exporter refused a transition", "error", err)
	}
}
