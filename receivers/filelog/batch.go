package filelog

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// maxBatch is how many records are sent at once.
const maxBatch = 256

// batch gathers records of one path. Its memory is used again for each batch.
type batch struct {
	number     uint64            // from 1 on
	records    []pipeline.Record // room for maxBatch
	entries    [maxBatch]format.Entry
	attributes [maxBatch]attributes
	scratch    format.Scratch
	now        pipeline.Instant
}

// emit makes a record of a piece, unless it is left out.
func (w *work) emit(t *tail, s *stream, p *piece) {
	r, b := w.receiver, &w.batch
	place := max(uint64(p.last), s.next) //nolint:gosec // offsets are not negative
	isContext := place < s.told
	switch {
	case isContext:
		s.recall(p.first)
	case p.cut:
		r.counters.cut.Add(w.ctx, "", 1)
	}
	n := len(b.records)
	entry := &b.entries[n]
	raw := p.text
	if p.joined {
		raw = b.scratch.Keep(p.text)
	}
	ok := w.parse(s, p, raw, entry)
	if !isCredible(entry.Time) {
		entry.Time = time.Time{}
	}
	before := s.when.Last
	at := w.timeOf(s, entry, isContext)
	reason := w.skip(t, raw, at, ok, isContext)
	if reason != skippedLookback && !isContext {
		if !s.hasTimes || before.IsZero() {
			before = at
		}
		s.mark(p.first, before, b.number)
	}
	s.hasTimes = s.hasTimes || !entry.Time.IsZero()
	s.next = place + 1
	if reason != "" {
		if !isContext {
			r.counters.skipped.Add(w.ctx, reason, 1)
		}
		return
	}
	b.attributes[n] = attributes{path: t.name, entry: entry}
	b.records = b.records[:n+1]
	record := &b.records[n] // field by field: a whole one is made elsewhere and moved here
	record.Time, record.ObservedTime, record.Boot = at, b.now.Wall, r.bootTime(at, &b.now)
	record.Severity, record.EventName, record.Receiver = entry.Severity, "", r.id
	record.Body, record.Attributes, record.Problem, record.Transition = entry.Body, &b.attributes[n], nil, nil
	record.Place.Scope, record.Place.Source, record.Place.Generation, record.Place.Position = r.scope, s.source, s.key.Generation, place
	if isContext {
		record.EventName = pipeline.EventContext
	}
	if len(b.records) == maxBatch {
		w.flush(t)
	}
}

// parse takes a piece apart. ok is false where it has not the form.
func (w *work) parse(s *stream, p *piece, raw []byte, to *format.Entry) (ok bool) {
	if p.entry == nil {
		return s.assembler.parser.Parse(raw, &s.when, &w.batch.scratch, to)
	}
	attributes := to.Attributes[:0]
	*to = *p.entry
	to.Attributes, to.Body = attributes, raw
	return !p.malformed
}

// isCredible tells whether a time can be kept. Other ones are nobody's: a line may say
// what it likes.
func isCredible(at time.Time) bool {
	const limit = maxTime / int64(time.Second)
	seconds := at.Unix()
	return seconds > -limit && seconds < limit || at.IsZero()
}

// timeOf is when a line was written: a line that does not say has the time of the one
// before, or, where none says, that of its reading.
func (w *work) timeOf(s *stream, entry *format.Entry, isContext bool) time.Time {
	switch {
	case !entry.Time.IsZero():
		s.when.Last = entry.Time
	case s.hasTimes || isContext && !s.when.Last.IsZero():
	default:
		s.when.Last = w.batch.now.Wall
	}
	return s.when.Last
}

// skip tells why a line is left out; empty: it is not.
func (w *work) skip(t *tail, raw []byte, at time.Time, parsed, isContext bool) string {
	r := w.receiver
	switch {
	case !parsed && r.config.Unparsed == UnparsedSkip:
		return skippedUnparsed
	case !isContext && !t.live && !t.since.IsZero() && at.Before(t.since):
		return skippedLookback
	case r.config.Delay > 0 && !at.Before(r.boot.start) && at.Before(r.boot.start.Add(r.config.Delay)):
		return skippedDelay
	}
	for _, text := range r.skip {
		if bytes.Contains(raw, text) {
			return skippedFilter
		}
	}
	return ""
}

var errEnded = errors.New("the receiver has ended")

// flush sends what has been gathered, and notes how far the tail has come by it. Once
// the next stage has refused a batch, nothing more is sent.
func (w *work) flush(t *tail) {
	defer w.batch.reset()
	if len(w.batch.records) == 0 && (!t.dirty || t.follower.IsUnseen()) { // what nobody has seen has no position
		return
	}
	if err := w.send(t, w.batch.records); err != nil {
		w.refuse(err)
	}
}

func (b *batch) reset() {
	b.number++
	b.records = b.records[:0]
	b.scratch.Reset()
}

func (w *work) send(t *tail, records []pipeline.Record) error {
	if w.refused || w.ctx.Err() != nil {
		return errEnded
	}
	k := t.snapshot()
	accepted := func() { w.receiver.move(t.path, k) }
	if len(records) == 0 {
		accepted()
	} else if err := pipeline.Send(w.ctx, w.receiver.next, records, accepted); err != nil {
		return err
	}
	t.kept, t.dirty = k, false
	return nil
}

// refuse notes that a batch was not accepted. Where positions outlive the receiver, its
// lines are read again and not lost.
func (w *work) refuse(err error) {
	r := w.receiver
	w.refused = true
	if r.handedOver.Load() || r.settings.Keeping.Durable() {
		return
	}
	lines := uint64(0)
	for i := range w.batch.records {
		if w.batch.records[i].IsLine() {
			lines++
		}
	}
	r.counters.lost.Add(context.WithoutCancel(w.ctx), lostRefused, lines)
	r.settings.Logger.Debug("the pipelines are shutting down and took no more lines", "lines", lines, "error", err)
}
