// Package kmsg receives the kernel's log from /dev/kmsg: lines as records, and a
// record that tells of lost ones.
package kmsg

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// Receiver passes on the kernel's log. Its reader belongs to all receivers on the
// same path.
type Receiver struct {
	shared   *source.Shared
	settings pipeline.Settings
	config   *Config
	next     pipeline.Consumer
	losses   pipeline.ReasonCounter
	skipped  pipeline.ReasonCounter
	id       string
	source   string
	wanted   filter

	cancel     context.CancelFunc // ends what Consume is given
	handedOver atomic.Bool        // a successor reads again what is refused

	mu           sync.Mutex
	subscription *source.Subscription // set by Start
	offsets      *source.Offsets      // kept from before; nil: none
	position     position             // moved by the source's goroutine alone, once started

	// The rest belongs to the source's goroutine, once started.
	live       bool          // the backlog is over
	late       bool          // the log could not be read at the start
	refused    bool          // a batch was refused: none is passed on any more
	reached    position      // the position once the batch under way is accepted
	accepted   func()        // moves the position there
	toldAt     time.Duration // the boot clock when a record told of a loss last
	records    []pipeline.Record
	attributes []source.Attributes
}

var _ pipeline.Keeper = (*Receiver)(nil)

// Start opens the kernel's log, or reports why it cannot be read; then it is
// tried again. Lines that are written after Start are not backlog.
func (r *Receiver) Start(ctx context.Context) error {
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	to := r.begin()
	to.Batch, to.State = func(batch source.Batch) { r.pass(ctx, batch) }, r.report
	subscription := r.shared.Subscribe(r.settings.Host.Path(r.config.Path), r.settings.Host.Proc, to)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscription = subscription
	return nil
}

// Shutdown passes on what has been read, as far as ctx lets, and leaves the
// reader; the last receiver ends it.
func (r *Receiver) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	subscription := r.subscription
	r.mu.Unlock()
	if subscription == nil {
		return nil
	}
	r.handedOver.Store(pipeline.IsHandOver(ctx))
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	err := subscription.Close(ctx)
	r.cancel()
	return err
}

func (r *Receiver) report(fault *source.Fault) {
	if fault == nil {
		r.settings.Report(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	r.late = r.late || !r.position.begun
	r.settings.Report(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: fault.Reason, Remedy: fault.Remedy, Err: fault,
	})
}

// pass makes records of a batch and sends them to the next stage. Once that has
// refused one, nothing more is sent: whoever goes on from the position reads it all.
func (r *Receiver) pass(ctx context.Context, batch source.Batch) {
	r.records, r.attributes = r.records[:0], r.attributes[:0]
	r.reached = r.position
	to := &r.reached
	if batch.Renumbered {
		*to = r.renumbered()
	}
	r.context(&batch, to)
	r.lose(ctx, &batch, to)
	to.complete = to.complete && batch.Lost.Total() == 0 && to.continues(&batch)
	lines := r.lines(ctx, &batch, to)
	if batch.BacklogEnd {
		r.live = true
		to.begin(batch.Next)
		r.records = append(r.records, r.backlogEnd(&batch, to))
	}
	to.next = batch.Next
	if err := r.send(ctx); err != nil {
		r.refuse(ctx, lines, err)
	}
}

var errEnded = errors.New("the receiver has ended")

func (r *Receiver) send(ctx context.Context) error {
	switch {
	case r.refused || ctx.Err() != nil:
		return errEnded
	case len(r.records) == 0:
		r.move()
		return nil
	}
	return pipeline.Send(ctx, r.next, r.records, r.accepted)
}

// refuse notes that a batch was not accepted. Where the position outlives the
// receiver, its lines are read again and not lost.
func (r *Receiver) refuse(ctx context.Context, lines uint64, err error) {
	r.refused = true
	if r.handedOver.Load() || r.settings.Keeping.Durable() {
		return
	}
	r.losses.Add(ctx, lostRefused, lines)
	r.settings.Logger.Debug("the pipelines are shutting down and took no more lines", "lines", lines, "error", err)
}

func (r *Receiver) backlogEnd(batch *source.Batch, to *position) pipeline.Record {
	mark := pipeline.Record{
		Time: batch.Now.Wall, ObservedTime: batch.Now.Wall,
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: batch.Now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.id, Place: r.place(batch.Next, to),
	}
	if to.complete {
		mark.Attributes = pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, true)}
	}
	return mark
}

// context appends what is wanted of the lines before the position: those that the
// ones before this receiver had looked at.
func (r *Receiver) context(batch *source.Batch, to *position) {
	for i := range batch.Context {
		line := &batch.Context[i]
		if line.Sequence >= to.first && r.wants(line) == "" {
			r.line(batch, line, to, pipeline.EventContext)
		}
	}
}

// lines appends the batch's lines that are wanted and tells how many.
func (r *Receiver) lines(ctx context.Context, batch *source.Batch, to *position) (count uint64) {
	for i := range batch.Records {
		line := &batch.Records[i]
		if reason := r.skip(line, to); reason != "" {
			r.skipped.Add(ctx, reason, 1)
			continue
		}
		count++
		r.line(batch, line, to, "")
	}
	// Only now do the attributes stay where they are.
	next := 0
	for i := range r.records {
		if r.records[i].Problem == nil {
			r.records[i].Attributes = &r.attributes[next]
			next++
		}
	}
	return count
}

func (r *Receiver) line(batch *source.Batch, line *source.Record, to *position, eventName string) {
	r.attributes = append(r.attributes, source.Attributes{Record: line})
	r.records = append(r.records, pipeline.Record{
		Time: line.Time, ObservedTime: batch.Now.Wall,
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: line.Boot},
		Severity:  line.OTelSeverity(),
		EventName: eventName,
		Receiver:  r.id,
		Body:      bytes.TrimSpace(line.Text),
		Place:     r.place(line.Sequence, to),
	})
}

func (r *Receiver) place(sequence uint64, to *position) pipeline.Place {
	return pipeline.Place{Scope: r.settings.Boot.ID, Source: r.source, Generation: to.generation, Position: sequence}
}

// sourceName names the source in a line's place: the kernel's log, or a path
// whose records have numbers of their own.
func sourceName(path string) string {
	if path == defaultPath {
		return "kmsg"
	}
	return "kmsg:" + path
}

// skip tells why a line is not to be passed on; empty: it is. With the first line
// that the lookback reaches the position begins.
func (r *Receiver) skip(line *source.Record, to *position) string {
	if r.live || r.reaches(line, to) {
		to.begin(line.Sequence)
	}
	reason := r.wants(line)
	if !to.begun && reason != skippedDelay {
		return skippedLookback
	}
	return reason
}

// wants tells why a line is left out wherever it stands; empty: it is not.
func (r *Receiver) wants(line *source.Record) string {
	switch {
	case line.Boot < r.config.Delay:
		return skippedDelay
	case !r.wanted.takes(line):
		return skippedFilter
	default:
		return ""
	}
}

// reaches tells whether the lookback takes a line of the backlog. The backlog is
// known by its sequence numbers: by the clock, lines of the first moments would
// be lost. Only where the log was not there at the start, the clock tells what
// has been written since.
func (r *Receiver) reaches(line *source.Record, to *position) bool {
	age := to.started - line.Boot
	return (r.late && age < 0) || r.config.Lookback.Reaches(age)
}

// filter tells by facility and severity which lines are wanted.
type filter struct {
	facilities  map[int]bool // nil: all
	maxSeverity int          // greater numbers are less grave
}

func newFilter(config *Config) filter {
	f := filter{maxSeverity: len(source.SeverityNames())}
	if severity, ok := source.ParseSeverity(string(config.MinSeverity)); ok {
		f.maxSeverity = severity
	}
	for _, name := range config.Facilities {
		if facility, ok := source.ParseFacility(string(name)); ok {
			if f.facilities == nil {
				f.facilities = map[int]bool{}
			}
			f.facilities[facility] = true
		}
	}
	return f
}

func (f *filter) takes(line *source.Record) bool {
	return line.Severity <= f.maxSeverity && (f.facilities == nil || f.facilities[line.Facility])
}
