// Package journald receives entries of the systemd journal as records.
package journald

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/hung"
	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

const (
	// maxBatch is the most entries in a batch, maxBytes about how many bytes they have.
	maxBatch = 256
	maxBytes = 1 << 20
	// maxHeld is how many bytes of memory an entry may keep for the next batch.
	maxHeld = 64 << 10
)

// Receiver passes on the entries of the journal that match.
type Receiver struct {
	settings pipeline.Settings
	config   *Config
	next     pipeline.Consumer
	losses   pipeline.ReasonCounter
	skipped  pipeline.ReasonCounter
	cut      pipeline.ReasonCounter
	watch    *hung.Watch // over what is asked of the file system
	id       string
	source   string
	tuning   tuning

	stop       context.CancelFunc // ends the reading
	abort      context.CancelFunc // ends what Consume is given
	done       chan struct{}      // closed once the goroutine has ended; nil: not started
	handedOver atomic.Bool        // a successor reads again what is refused

	mu       sync.Mutex
	position position
	resumed  bool // the position was kept from before

	// The rest belongs to the goroutine, once started.
	reader     *journal.Reader
	boot       journalfile.ID
	live       bool // the backlog is over
	marked     bool // the mark behind it is sent
	refused    bool // a batch was refused: none is passed on any more
	reached    position
	accepted   func() // moves the position there
	movedAt    time.Duration
	stale      staleness
	counted    journal.Stats
	names      names
	entries    [maxBatch]journal.Entry
	attributes [maxBatch]Attributes
	records    []pipeline.Record
}

var _ pipeline.Keeper = (*Receiver)(nil)

// Start opens the journal, or reports why it cannot be read; then it is tried again.
// Entries that are written after Start are not backlog. It does not wait for long for
// a file system that does not answer.
func (r *Receiver) Start(ctx context.Context) error {
	sending, abort := context.WithCancel(context.WithoutCancel(ctx))
	reading, stop := context.WithCancel(sending)
	r.stop, r.abort, r.done = stop, abort, make(chan struct{})
	r.watch = hung.NewWatch(r.tuning.silence, r.tellSilent)
	r.boot, _ = journalfile.ParseID(r.settings.Boot.ID) // zero: a boot that nobody has
	opened, answered := make(chan opening, 1), make(chan error, 1)
	go func() { opened <- r.open(sending) }()
	go func() {
		defer close(r.done)
		defer abort()
		o, ok := r.await(sending, opened)
		answered <- o.err
		if !ok {
			o = <-opened
			r.tellOpened(&o)
		}
		r.follow(reading, sending, &o)
	}()
	return <-answered
}

func (r *Receiver) options() journal.Options {
	options := journal.Options{Matches: r.config.matches(), MaxFiles: r.tuning.files}
	for _, directory := range r.config.Directories {
		options.Directories = append(options.Directories, r.settings.Host.Path(directory))
	}
	if text, err := os.ReadFile(r.settings.Host.Path("/etc/machine-id")); err == nil && !r.config.AllMachines {
		options.MachineID, _ = journalfile.ParseID(strings.TrimSpace(string(text))) // zero: any machine
	}
	return options
}

// Shutdown ends the reading and waits for it; a batch under way is finished, as far
// as ctx lets.
func (r *Receiver) Shutdown(ctx context.Context) error {
	if r.done == nil {
		return nil
	}
	r.handedOver.Store(pipeline.IsHandOver(ctx))
	stop := context.AfterFunc(ctx, r.abort)
	defer stop()
	r.stop()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-r.done: // Consume ends with its context
	case <-time.After(r.tuning.patience):
	}
	return ctx.Err()
}

// begin goes to where reading begins, and returns the records that come first: what
// is context, and what tells of a gap.
func (r *Receiver) begin(ctx context.Context) []pipeline.Record {
	if !r.resumed {
		r.lookBack()
		return nil
	}
	gaps := r.reader.Resume(r.position.read)
	return r.tellGaps(ctx, r.context(), gaps)
}

// lookBack goes to where the first start begins: the later of the boot and the
// lookback.
func (r *Receiver) lookBack() {
	switch back := r.config.Lookback; back {
	case pipeline.LookbackBoot:
		r.reader.SeekBoot(r.boot)
	case 0:
		r.reader.SeekTail()
	default:
		now := r.settings.Clock.Now()
		r.reader.SeekRealtime(now.Wall.Add(-min(time.Duration(back), now.Boot)))
	}
}

// context reads again what is before the position, by a reader of its own.
func (r *Receiver) context() []pipeline.Record {
	options := r.options()
	options.Keep = true
	reader, err := journal.Open(options)
	if err != nil {
		return nil // Start has opened it
	}
	defer reader.Close()
	reader.Resume(r.position.read)
	records := make([]pipeline.Record, r.config.Buffer)
	n, now := len(records), r.settings.Clock.Now().Wall
	for n > 0 {
		var e journal.Entry
		if !reader.Previous(&e) || journal.CursorOf(&e).Compare(r.position.first) < 0 {
			break
		}
		if r.skip(&e) != "" {
			continue
		}
		n--
		records[n] = r.record(&e, pipeline.EventContext, now)
		records[n].Attributes = &Attributes{entry: &e}
	}
	return records[n:]
}

// run passes on what is there and what comes.
func (r *Receiver) run(reading, sending context.Context, first []pipeline.Record) {
	r.records = append(r.records[:0], first...)
	r.reached = r.position
	for {
		r.passAll(reading, sending)
		if r.refused || reading.Err() != nil || r.reader.Wait(reading) != nil {
			break
		}
		r.refresh(sending)
		r.settings.Report(r.status(r.reader))
	}
	if r.live && !r.refused { // what was written before the end
		r.refresh(sending)
		r.passAll(sending, sending)
	}
}

// refresh looks for what is new, and tells of what was removed unread.
func (r *Receiver) refresh(ctx context.Context) {
	r.ask("look", r.reader.Refresh)
	r.records = r.tellGaps(ctx, r.records, r.reader.TakeGaps())
}

// passAll passes on all that is there now, and the mark behind the backlog.
func (r *Receiver) passAll(reading, sending context.Context) {
	for reading.Err() == nil && !r.refused {
		var lines int
		var more bool
		r.ask("read", func() { lines, more = r.fill(sending) })
		if !more && !r.live {
			r.live = true
			r.mark()
		}
		if len(r.records) > 0 {
			if err := r.send(sending); err != nil {
				r.refuse(sending, lines, err)
				return
			}
		}
		r.count(sending)
		if !more {
			r.ask("settle", r.settle)
			return
		}
	}
}
