package nodeevents

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

// ErrClosed is what Record returns after Close.
var ErrClosed = errors.New("the recorder of Events is closed")

// Options are what a Recorder works with.
type Options struct {
	// Clock is the time; nil is the system's.
	Clock pipeline.Clock
	// Logger tells of Events that are refused or suppressed.
	Logger *slog.Logger
	// Meter makes otelnpd.kubernetes.events, otelnpd.exporter.queue_length and
	// otelnpd.exporter.queue_size.
	Meter metric.Meter
	// ID is the exporter's.
	ID pipeline.ID
	// Node is the Node's name.
	Node string
	// Boot is the boot that the agent runs in.
	Boot pipeline.Boot
	// Keeping is told what changes of what is kept.
	Keeping pipeline.Keeping
	// Write makes the Event or writes over the one of that name. Its errors are
	// those of package apiserver; any other is taken as one that passes.
	Write func(context.Context, *apiserver.Event) error
	// Status is told after each write how the sender does: nil, or the error. It
	// is called by the goroutine that runs Run or Drain.
	Status func(error)
}

// Recorder makes Events of problems and of changes of conditions. It is safe for
// concurrent use; Run and Drain follow one another.
type Recorder struct {
	options Options
	sender  sender

	mu      sync.Mutex
	ledger  *ledger
	metrics *metrics
	closed  bool
	// news holds a token whenever there may be something new to send.
	news chan struct{}
}

// New returns a Recorder for a valid configuration. Nothing is written before
// SetNode and Run.
func New(config Config, options Options) (*Recorder, error) {
	if options.Clock == nil {
		options.Clock = pipeline.SystemClock{}
	}
	metrics, err := newMetrics(options.ID, options.Meter)
	if err != nil {
		return nil, err
	}
	return &Recorder{
		options: options, ledger: newLedger(config, options.Node), metrics: metrics, news: make(chan struct{}, 1),
	}, nil
}

// Record takes in what of a batch is to be told. It never waits and keeps nothing
// of the batch. The error is ErrClosed.
//
//nolint:contextcheck // counting needs no context
func (r *Recorder) Record(_ context.Context, batch []pipeline.Record) error {
	floods, err := r.record(batch)
	if floods {
		r.options.Logger.Warn("too many or too old Events: some are suppressed, and an Event of reason " + reasonSuppressed + " will sum them up")
	}
	return err
}

// record tells whether something is suppressed with which a flood begins.
func (r *Recorder) record(batch []pipeline.Record) (floods bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false, ErrClosed
	}
	calm := r.ledger.flood.total() == 0
	var now pipeline.Instant
	for i := range batch {
		o, tells := occurrenceOf(&batch[i])
		if !tells {
			continue
		}
		if now == (pipeline.Instant{}) {
			now = r.options.Clock.Now()
		}
		r.ledger.record(&o, now)
	}
	r.changed()
	return calm && r.ledger.flood.total() > 0, nil
}

// SetNode says which Node the Events are about; they wait until it has been called
// once. A new uid is that of a Node made anew: it holds from the next write on. An
// empty one is none.
func (r *Recorder) SetNode(uid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if uid != "" && uid != r.ledger.nodeUID {
		r.ledger.setNode(uid)
		r.changed()
	}
}

// Close makes every later Record fail.
func (r *Recorder) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// changed publishes what has changed, has it kept, and wakes the sender if there is
// news for it. It is called with the lock held.
func (r *Recorder) changed() {
	r.metrics.publish(r.ledger)
	if r.ledger.hasChanged {
		r.ledger.hasChanged = false
		r.options.Keeping.Changed()
	}
	if !r.ledger.hasNews {
		return
	}
	r.ledger.hasNews = false
	select {
	case r.news <- struct{}{}:
	default:
	}
}
