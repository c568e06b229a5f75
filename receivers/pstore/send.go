package pstore

import (
	"context"
	"errors"
	"iter"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// The attributes of a line beside those of the kernel's log.
const (
	// AttributeType is dmesg, console or pmsg.
	AttributeType = "pstore.type"
	// AttributeBackend is where the kernel saved it: efi_pstore, erst, ramoops …
	AttributeBackend = "pstore.backend"
	// AttributeReason is why: Panic, Oops, Emergency, Shutdown, Unknown; Reset where no
	// dump says so.
	AttributeReason = "pstore.reason"
)

// maxBatch is how many records a batch has at most.
const maxBatch = 256

var errStopped = errors.New("the receiver has been stopped")

// pass sends a batch, unless the receiver has been stopped.
func (r *Receiver) pass(ctx context.Context, batch []pipeline.Record, accepted func()) error {
	select {
	case <-r.stop:
		return errStopped
	default:
		return pipeline.Send(ctx, r.next, batch, accepted)
	}
}

// tellAll tells of the dumps that are worth it, and returns those that have been told
// now or before.
func (r *Receiver) tellAll(ctx context.Context, dumps []*dump) (told []*dump, err error) {
	var known overlaps
	for _, d := range dumps {
		lines := d.lines()
		if len(lines) == 0 {
			continue
		}
		if r.isOfThisBoot(d, lines) {
			r.dismiss(ctx, d, skipThisBoot)
			continue
		}
		next := r.toldOf(d.id())
		if d.kind() == typeConsole && next == 0 {
			if reason := dismissConsole(d, dumps); reason != "" {
				r.dismiss(ctx, d, reason)
				r.move(d.id(), wholly)
				told = append(told, d) // there is nothing more in it
				continue
			}
		}
		r.date(d, lines)
		d.known = max(d.known, known.add(d, lines))
		if next != wholly {
			if err := r.tell(ctx, d, lines, next); err != nil {
				return nil, err
			}
		}
		told = append(told, d)
	}
	return told, nil
}

// dismiss counts a dump of which nothing is told.
func (r *Receiver) dismiss(ctx context.Context, d *dump, reason string) {
	for _, p := range d.parts {
		r.skip(ctx, p.id, reason)
	}
}

// tell sends the lines of a dump from a position on, and what it tells of its boot.
// What was told before, and what others have told, comes as context.
func (r *Receiver) tell(ctx context.Context, d *dump, lines []line, next uint64) error {
	if next == 0 {
		r.settings.Logger.Info("an earlier boot left a dump", "dump", d.String(), "backend", d.newest().backend, "lines", len(lines))
	}
	t := teller{receiver: r, dump: d, observed: r.settings.Clock.Now().Wall}
	for i := range lines {
		l := &lines[i]
		isKnown := i < d.known || l.position < next
		if err := t.add(ctx, t.line(l, lastStamp(lines), isKnown), max(next, l.position+1)); err != nil {
			return err
		}
		if l.cut && !isKnown {
			r.counters.cut.Add(ctx, "", 1)
		}
	}
	if d.kind() != typePmsg {
		if err := t.add(ctx, r.problem(d, lines, t.observed), wholly); err != nil {
			return err
		}
	}
	if err := t.flush(ctx, wholly); err != nil {
		return err
	}
	r.counters.dumps.Add(ctx, knownReason(d.reason()), 1)
	return nil
}

// teller gathers the records of a dump into batches.
type teller struct {
	receiver *Receiver
	dump     *dump
	observed time.Time
	batch    []pipeline.Record
}

// add takes a record; next is the position behind it.
func (t *teller) add(ctx context.Context, record pipeline.Record, next uint64) error {
	t.batch = append(t.batch, record)
	if len(t.batch) < maxBatch {
		return nil
	}
	return t.flush(ctx, next)
}

func (t *teller) flush(ctx context.Context, next uint64) error {
	r, id := t.receiver, t.dump.id()
	if len(t.batch) == 0 {
		r.move(id, next)
		return nil
	}
	err := r.pass(ctx, t.batch, func() { r.move(id, next) })
	t.batch = t.batch[:0]
	return err
}

// line makes the record of a line. It happened as long before the dump as the stamps
// say.
func (t *teller) line(l *line, last time.Duration, isKnown bool) pipeline.Record {
	record := pipeline.Record{
		Time: t.dump.crash.Add(min(0, l.Boot-last)), ObservedTime: t.observed,
		Boot:       pipeline.BootTime{ID: t.dump.boot.ID, At: l.Boot},
		Severity:   l.OTelSeverity(),
		Receiver:   t.receiver.id,
		Body:       l.Text,
		Attributes: &attributes{Attributes: source.Attributes{Record: &l.Record}, dump: t.dump},
		Place:      t.receiver.place(t.dump, l.position),
	}
	if isKnown {
		record.EventName = pipeline.EventContext
	}
	return record
}

// place names a line by what the dump holds. It is of no known boot, and its file has
// no lasting path.
func (*Receiver) place(d *dump, position uint64) pipeline.Place {
	return pipeline.Place{Scope: Type, Source: Type + ":" + d.id(), Position: position}
}

// attributes are those of the kernel's log and of the dump. Of a record that is no
// line there are only the dump's.
type attributes struct {
	source.Attributes
	dump *dump
}

// Get returns the value of key.
func (a *attributes) Get(key string) (attribute.Value, bool) {
	switch key {
	case AttributeType:
		return attribute.StringValue(a.dump.kind()), true
	case AttributeBackend:
		return attribute.StringValue(a.dump.newest().backend), a.dump.newest().backend != ""
	case AttributeReason:
		return attribute.StringValue(a.dump.reason()), true
	}
	if a.Record == nil {
		return attribute.Value{}, false
	}
	return a.Attributes.Get(key)
}

// All yields every key and value: the line's, then the dump's.
func (a *attributes) All() iter.Seq2[string, attribute.Value] {
	return func(yield func(string, attribute.Value) bool) {
		if a.Record != nil {
			for key, value := range a.Attributes.All() {
				if !yield(key, value) {
					return
				}
			}
		}
		for _, key := range []string{AttributeType, AttributeBackend, AttributeReason} {
			if value, ok := a.Get(key); ok && !yield(key, value) {
				return
			}
		}
	}
}
