package state

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Writer writes the state file when something has changed. One goroutine of its
// own does; nobody else ever waits for the disk. Open, Start and Shutdown are called
// in this order, none at the same time as another; the rest is safe for concurrent
// use. A nil Writer is that of an agent without a state directory: it keeps
// nothing.
type Writer struct {
	options Options
	disk    Disk
	metrics *metrics

	changed, moved atomic.Bool
	poke           chan struct{} // holds one token when the goroutine is to look

	opened     chan struct{} // closed when Open leaves the disk; nil: it was not called
	stop, done chan struct{}
	abandoned  chan struct{} // closed when Shutdown waits no more

	mu               sync.Mutex
	started, stopped bool
	given            bool         // abandoned is closed
	waiting          []chan error // for the next capture
	serving          []chan error // for the write under way
	writing          *time.Timer  // the watchdog of the write under way; nil: none
	blocked          error        // why Sync need not wait: the write hangs, or there are no more
	degraded         error        // what was reported last; nil: ok
	reported         bool

	// Of the goroutine alone, and of Open before it.
	schedule schedule
	written  *[sha256.Size]byte // of the sections on the disk; nil: not known
	unread   error              // why the file that is there was not read at the start; nil: it was
	result   error              // of the end; read once done is closed
}

// NewWriter returns a writer, without side effects.
func NewWriter(options Options) (*Writer, error) {
	m, err := newMetrics(options.Meter)
	if err != nil {
		return nil, fmt.Errorf("make the metrics of the state: %w", err)
	}
	options = options.withDefaults()
	return &Writer{
		options: options, disk: options.Disk, metrics: m,
		poke: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), abandoned: make(chan struct{}),
		schedule: schedule{changed: options.ChangedInterval, moved: options.MovedInterval, maxRetry: options.MaxRetryInterval},
	}, nil
}

// Keeping returns what components tell of their changes.
func (w *Writer) Keeping() pipeline.Keeping {
	if w == nil {
		return pipeline.Keeping{}
	}
	return pipeline.Keeping{OnChanged: w.Changed, OnMoved: w.Moved, IsDurable: func() bool { return true }}
}

// Changed tells that something has changed which a restart must not lose. It costs
// one atomic load unless it is the first since the last capture.
func (w *Writer) Changed() {
	if w != nil && !w.changed.Load() && w.changed.CompareAndSwap(false, true) {
		w.look()
	}
}

// Moved tells that a position has moved. It costs what Changed does.
func (w *Writer) Moved() {
	if w != nil && !w.moved.Load() && w.moved.CompareAndSwap(false, true) {
		w.look()
	}
}

// look lets the goroutine look at what is to do.
func (w *Writer) look() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Start begins to write: what the writer was told before, too. A second call does
// nothing.
func (w *Writer) Start(context.Context) error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started && !w.stopped {
		w.started = true
		go w.run() //nolint:contextcheck // the writing outlives the start
	}
	return nil
}

// Shutdown writes what has changed, if Start was called, and gives the lock back.
// It waits as long as ctx lets: then the goroutine ends when the disk answers. It
// may be called twice. No capture begins after it.
//
//nolint:contextcheck // counting needs no context
func (w *Writer) Shutdown(ctx context.Context) error {
	if w == nil {
		return nil
	}
	w.halt()
	select {
	case <-w.done:
		return w.result
	default:
	}
	select {
	case <-w.done:
		return w.result
	case <-ctx.Done():
		w.abandon()
		return fmt.Errorf("write the last state into %s: %w: %w", w.options.Dir, errNoAnswer, ctx.Err())
	}
}

// halt lets the goroutine come to its end, or begins that where there is none.
func (w *Writer) halt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	w.stopped = true
	close(w.stop)
	if !w.started {
		go w.end(false)
	}
}

func (w *Writer) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.given {
		w.given = true
		close(w.abandoned)
	}
}

func (w *Writer) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if at, due := w.due(); due {
			timer.Reset(time.Until(at))
		} else {
			timer.Stop()
		}
		select {
		case <-w.stop:
			w.end(true)
			return
		case <-w.poke:
		case <-timer.C:
			_ = w.write() // reported
		}
	}
}

// due returns when to write next, if at all.
func (w *Writer) due() (time.Time, bool) {
	w.mu.Lock()
	asked := len(w.waiting) > 0
	w.mu.Unlock()
	return w.schedule.due(time.Now(), wants{changed: w.changed.Load(), moved: w.moved.Load(), asked: asked})
}

// end writes once more, if anything is to be written, and leaves the disk.
func (w *Writer) end(writes bool) {
	defer close(w.done)
	var err error
	if _, due := w.due(); due && writes {
		if err = w.lastWrite(); err != nil {
			err = fmt.Errorf("write the last state: %w", err)
		}
	}
	w.release(errEnded)
	w.waitForOpen()
	w.result = errors.Join(err, w.disk.Close())
}

func (w *Writer) lastWrite() error {
	select {
	case <-w.abandoned:
		return errNoAnswer
	default:
		return w.write()
	}
}

// waitForOpen waits until an Open that had to give up has left the disk.
func (w *Writer) waitForOpen() {
	if w.opened != nil {
		<-w.opened
	}
}
