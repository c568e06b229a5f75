package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The times of a writer.
const (
	// ChangedInterval is between two writes while things change, MovedInterval
	// while only positions move.
	ChangedInterval = time.Second
	MovedInterval   = 10 * time.Second
	// stallLimit is how long a write may take before state is degraded.
	stallLimit = 5 * time.Second
	// firstRetry and lastRetry are the waits after writes that have failed.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

var (
	// ErrMemory is what Sync returns where state is kept in memory alone.
	ErrMemory = errors.New("state is kept in memory alone: a restart forgets it")
	// ErrDegraded is what Sync returns where the state could not be written.
	ErrDegraded = errors.New("state could not be written and is kept in memory for now")
	errStopped  = errors.New("the agent is shutting down")
	errStalled  = fmt.Errorf("%w: a write has taken more than %s: the disk does not answer", ErrDegraded, stallLimit)
)

// Options are what a [Writer] needs.
type Options struct {
	Directory *Directory
	// Capture takes one consistent cut of all that is to be kept. It is quick, and
	// called by one goroutine. An error is tried again.
	Capture func() (map[string]pipeline.Encode, error)
	// Report tells how state does.
	Report func(pipeline.Status)
	Logger *slog.Logger
	// Meter makes the metrics otelnpd.state.*.
	Meter metric.Meter
	// Clock stamps what is written.
	Clock pipeline.Clock
	// Version, Node and BootID go into each document.
	Version, Node, BootID string
}

// How much has changed since the last write.
const (
	clean uint32 = iota
	moved
	changed
)

// Writer writes the state when something has changed. All methods are safe for
// concurrent use. A nil Writer keeps nothing.
type Writer struct {
	options Options
	metrics *metrics
	dirt    atomic.Uint32
	poke    chan struct{}

	mu      sync.Mutex
	waiting []chan error // for the next write
	stop    chan struct{}
	ended   chan struct{}
	// last is what was told of the state.
	last pipeline.Status

	// The rest belongs to the goroutine.
	attempted time.Time // when the last attempt began
	retry     time.Duration
	written   [32]byte // the sum of the sections written last
}

// NewWriter returns a writer that has not started. The error is that of its
// metrics.
func NewWriter(options Options) (*Writer, error) {
	made, err := newMetrics(options.Meter)
	if err != nil {
		return nil, err
	}
	return &Writer{options: options, metrics: made, poke: make(chan struct{}, 1)}, nil
}

// Changed tells that something has changed which a restart must not lose. It never
// waits.
func (w *Writer) Changed() { w.mark(changed) }

// Moved tells that a position has moved. It never waits.
func (w *Writer) Moved() { w.mark(moved) }

func (w *Writer) mark(level uint32) {
	if w == nil {
		return
	}
	for {
		now := w.dirt.Load()
		if now >= level {
			return
		}
		if w.dirt.CompareAndSwap(now, level) {
			w.wake()
			return
		}
	}
}

func (w *Writer) wake() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Start begins to write.
func (w *Writer) Start(context.Context) error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop == nil {
		w.stop, w.ended = make(chan struct{}), make(chan struct{})
		go w.run(w.stop, w.ended)
	}
	return nil
}

// Shutdown writes what has changed since the last write and ends the goroutine. It
// waits for the disk as long as ctx lets; a write that hangs is left behind. It
// may be called twice, and without Start.
func (w *Writer) Shutdown(ctx context.Context) error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	stop, ended := w.stop, w.ended
	w.stop = nil
	w.mu.Unlock()
	if ended == nil {
		return nil
	}
	if stop != nil {
		close(stop)
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("write the state at the end: the disk does not answer: %w", ctx.Err())
	}
	if w.dirt.Load() != clean {
		return fmt.Errorf("write the state at the end: %w", ErrDegraded)
	}
	return nil
}

// Sync writes at once, and returns when all that had changed before the call is
// durable. The error is [ErrMemory], [ErrDegraded], or that of ctx.
func (w *Writer) Sync(ctx context.Context) error {
	if w == nil {
		return ErrMemory
	}
	done := make(chan error, 1)
	w.mu.Lock()
	if w.stop == nil {
		w.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrDegraded, errStopped)
	}
	w.waiting = append(w.waiting, done)
	w.mu.Unlock()
	w.wake()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: the disk has not answered: %w", ErrDegraded, ctx.Err())
	}
}

// run writes until stop is closed, and then once more if need be.
func (w *Writer) run(stop <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	for {
		wait, due := w.untilDue()
		if due && wait <= 0 {
			w.attempt()
			continue
		}
		var timer *time.Timer
		var over <-chan time.Time
		if due {
			timer = time.NewTimer(wait)
			over = timer.C
		}
		select {
		case <-w.poke:
		case <-over:
		case <-stop:
			w.finish()
			return
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// finish makes the last write. Who still waits for one is told how it went.
func (w *Writer) finish() {
	if w.dirt.Load() != clean || w.isAwaited() {
		w.attempt()
	}
	w.tell(w.takeWaiting(), fmt.Errorf("%w: %w", ErrDegraded, errStopped))
}

func (w *Writer) isAwaited() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) > 0
}

func (w *Writer) takeWaiting() []chan error {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.waiting
	w.waiting = nil
	return taken
}

func (*Writer) tell(waiting []chan error, err error) {
	for _, one := range waiting {
		one <- err
	}
}

// untilDue is how long it is until the next write; due: there is one.
func (w *Writer) untilDue() (wait time.Duration, due bool) {
	if w.isAwaited() {
		return 0, true
	}
	interval := ChangedInterval
	switch w.dirt.Load() {
	case clean:
		return 0, false
	case moved:
		interval = MovedInterval
	}
	if w.attempted.IsZero() {
		return 0, true
	}
	return max(interval, w.retry) - time.Since(w.attempted), true
}

// attempt writes once and waits until the disk has answered.
func (w *Writer) attempt() {
	w.attempted = time.Now()
	level := w.dirt.Swap(clean)
	waiting := w.takeWaiting()
	outcome, size, err := w.write()
	w.metrics.note(outcome, time.Since(w.attempted), size)
	if err != nil {
		w.mark(level)
		w.retry = min(max(2*w.retry, firstRetry), lastRetry)
		err = fmt.Errorf("%w: %w", ErrDegraded, err)
	} else {
		w.retry = 0
	}
	w.report(err)
	w.tell(waiting, err)
}

// report tells of a change for better or worse.
func (w *Writer) report(err error) {
	status := pipeline.Status{State: pipeline.ComponentOK}
	if err != nil {
		status = Degraded(w.options.Directory.Path(), err)
	}
	w.mu.Lock()
	same := w.last.State == status.State && w.last.Reason == status.Reason
	w.last = status
	w.mu.Unlock()
	if !same {
		w.metrics.setDegraded(err != nil)
		w.options.Report(status)
	}
}
