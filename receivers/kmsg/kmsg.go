// Package kmsg receives the kernel's log from /dev/kmsg: lines as records, and a
// record that tells of lost ones.
package kmsg

import (
	"bytes"
	"context"
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
	losses   counts
	skipped  counts
	id       string
	source   string
	wanted   filter

	subscription *source.Subscription // set by Start
	cancel       context.CancelFunc   // ends what Consume is given

	// The rest belongs to the source's goroutine, once started.
	started    pipeline.Instant
	live       bool          // the backlog is over
	late       bool          // the log could not be read at the start
	untold     source.Loss   // that no record has told of
	toldAt     time.Duration // the boot clock when one did last
	complete   bool          // so far, nothing of this boot is missing from the backlog
	accounted  uint64        // the sequence number behind what came so far
	records    []pipeline.Record
	attributes []source.Attributes
}

var _ pipeline.Component = (*Receiver)(nil)

// Start opens the kernel's log, or reports why it cannot be read; then it is
// tried again. Lines that are written after Start are not backlog.
func (r *Receiver) Start(ctx context.Context) error {
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.started = r.settings.Clock.Now()
	r.subscription = r.shared.Subscribe(r.settings.Host.Path(r.config.Path), r.settings.Host.Proc, source.Subscriber{
		Batch: func(batch source.Batch) { r.pass(ctx, batch) },
		State: r.report,
	})
	return nil
}

// Shutdown passes on what has been read, as far as ctx lets, and leaves the
// reader; the last receiver ends it.
func (r *Receiver) Shutdown(ctx context.Context) error {
	if r.subscription == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	err := r.subscription.Close(ctx)
	r.cancel()
	return err
}

func (r *Receiver) report(fault *source.Fault) {
	if fault == nil {
		r.settings.Report(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	r.late = r.late || r.accounted == 0
	r.settings.Report(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: fault.Reason, Remedy: fault.Remedy, Err: fault,
	})
}

// pass makes records of a batch and sends them to the next stage.
func (r *Receiver) pass(ctx context.Context, batch source.Batch) {
	r.records, r.attributes = r.records[:0], r.attributes[:0]
	r.lose(ctx, &batch)
	r.complete = r.complete && batch.Lost.Total() == 0 && r.continues(&batch)
	lines := r.lines(ctx, &batch)
	if batch.BacklogEnd {
		r.live = true
		r.records = append(r.records, r.backlogEnd(&batch))
	}
	r.accounted = batch.Next
	if len(r.records) == 0 {
		return
	}
	if err := r.next.Consume(ctx, r.records); err != nil {
		r.losses.add(ctx, lostRefused, lines)
		r.settings.Logger.Debug("the pipelines are shutting down and took no more lines", "lines", lines, "error", err)
	}
}

// continues tells whether a batch begins where the one before it ended. The
// kernel numbers the records of a boot from 0.
func (r *Receiver) continues(batch *source.Batch) bool {
	return len(batch.Records) == 0 || batch.Records[0].Sequence == r.accounted
}

func (r *Receiver) backlogEnd(batch *source.Batch) pipeline.Record {
	mark := pipeline.Record{
		Time: batch.Now.Wall, ObservedTime: batch.Now.Wall,
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: batch.Now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.id, Place: r.place(batch.Next),
	}
	if r.complete {
		mark.Attributes = pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, true)}
	}
	return mark
}

// lines appends the batch's lines that are wanted and tells how many.
func (r *Receiver) lines(ctx context.Context, batch *source.Batch) (count uint64) {
	for i := range batch.Records {
		line := &batch.Records[i]
		if reason := r.skip(line); reason != "" {
			r.skipped.add(ctx, reason, 1)
			continue
		}
		count++
		r.attributes = append(r.attributes, source.Attributes{Record: line})
		r.records = append(r.records, pipeline.Record{
			Time: line.Time, ObservedTime: batch.Now.Wall,
			Boot:     pipeline.BootTime{ID: r.settings.Boot.ID, At: line.Boot},
			Severity: line.OTelSeverity(),
			Receiver: r.id,
			Body:     bytes.TrimSpace(line.Text),
			Place:    r.place(line.Sequence),
		})
	}
	// Only now do the attributes stay where they are.
	next := 0
	for i := range r.records {
		if r.records[i].IsLine() {
			r.records[i].Attributes = &r.attributes[next]
			next++
		}
	}
	return count
}

func (r *Receiver) place(sequence uint64) pipeline.Place {
	return pipeline.Place{Scope: r.settings.Boot.ID, Source: r.source, Position: sequence}
}

// sourceName names the source in a line's place: the kernel's log, or a path
// whose records have numbers of their own.
func sourceName(path string) string {
	if path == defaultPath {
		return "kmsg"
	}
	return "kmsg:" + path
}

// skip tells why a line is not to be passed on; empty: it is.
func (r *Receiver) skip(line *source.Record) string {
	switch {
	case line.Boot < r.config.Delay:
		return skippedDelay
	case !r.live && !r.reaches(line):
		return skippedLookback
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
func (r *Receiver) reaches(line *source.Record) bool {
	age := r.started.Boot - line.Boot
	return (r.late && age < 0) || r.config.Lookback.reaches(age)
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
