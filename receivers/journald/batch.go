package journald

import (
	"context"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal"
)

// fill appends a batch of lines to the records, and tells how many, and whether there
// may be more.
func (r *Receiver) fill(ctx context.Context) (lines int, more bool) {
	offset, bytes, now := len(r.records), 0, r.settings.Clock.Now().Wall
	for lines < maxBatch && bytes < maxBytes {
		e := &r.entries[lines]
		if !r.reader.Next(e) {
			r.point(offset)
			return lines, false
		}
		if reason := r.skip(e); reason != "" {
			r.skipped.Add(ctx, reason, 1)
			continue
		}
		if r.reached.first.IsZero() {
			r.reached.first = journal.CursorOf(e)
		}
		r.records = append(r.records, r.record(e, "", now))
		lines++
		bytes += e.Size()
	}
	r.point(offset)
	return lines, true
}

// point gives the lines their attributes, and notes how far they reach.
func (r *Receiver) point(offset int) {
	for i := range r.records[offset:] {
		r.attributes[i] = Attributes{entry: &r.entries[i]}
		r.records[offset+i].Attributes = &r.attributes[i]
	}
	r.reached.read = r.reader.Position()
}

// skip tells why an entry is not to be passed on; empty: it is.
func (r *Receiver) skip(e *journal.Entry) string {
	switch {
	case e.BootID == r.boot && sinceBoot(e) < r.config.Delay:
		return skippedDelay
	case !r.resumed && !r.live && e.BootID != r.boot:
		return skippedLookback // an earlier boot's
	default:
		return ""
	}
}

func (r *Receiver) send(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		err = pipeline.Send(ctx, r.next, r.records, r.accepted)
	}
	clear(r.records)
	r.records = r.records[:0]
	for i := range r.entries {
		if r.entries[i].Size() > maxHeld {
			r.entries[i] = journal.Entry{}
		}
	}
	return err
}

// refuse notes that a batch was not accepted. Where the position outlives the
// receiver, its lines are read again and not lost.
func (r *Receiver) refuse(ctx context.Context, lines int, err error) {
	r.refused = true
	if r.handedOver.Load() || r.settings.Keeping.Durable() {
		return
	}
	r.losses.Add(ctx, lostRefused, uint64(lines)) //nolint:gosec // not negative
	r.settings.Logger.Debug("the pipelines are shutting down and took no more lines", "lines", lines, "error", err)
}

// count tells of what the reader has counted since.
func (r *Receiver) count(ctx context.Context) {
	now := r.reader.Stats()
	r.losses.Add(ctx, lostDamaged, now.Damaged-r.counted.Damaged)
	r.losses.Add(ctx, lostLate, now.Late-r.counted.Late)
	r.cut.Add(ctx, cutLength, now.Cut-r.counted.Cut)
	r.counted = now
}

// mark appends the mark behind the backlog, once.
func (r *Receiver) mark() {
	if !r.marked {
		r.marked = true
		r.records = append(r.records, r.backlogEnd())
	}
}

func (r *Receiver) backlogEnd() pipeline.Record {
	now := r.settings.Clock.Now()
	return pipeline.Record{
		Time: now.Wall, ObservedTime: now.Wall,
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.id,
		Place: pipeline.Place{Scope: r.settings.Boot.ID, Source: "journal:" + r.source},
	}
}
