package filelog

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
)

// settle gives what has been held back for long enough, or all, and tells when the
// backlog is over. Long enough is that a sweep which began so much later has found no
// more: an agent that gets no processor time has not waited.
func (w *work) settle(all bool) {
	w.batch.now = w.receiver.settings.Clock.Now()
	over := true
	for _, t := range w.tails {
		for _, s := range t.streams {
			if _, open := s.assembler.open(); open && (all || !t.more && w.sweptAt-s.takenAt >= joinPause) {
				t.dirty = true
				s.assembler.flush()
			}
			_, open := s.assembler.open()
			over = over && !open
		}
		caughtUp := t.follower.CaughtUp()
		if caughtUp && !t.follower.IsUnseen() {
			t.dirty = t.dirty || !t.live
			t.live, t.caughtUp = true, true
		}
		over = over && (t.caughtUp || caughtUp) // nobody waits for what cannot be read
		w.flush(t)
	}
	if over && !w.ended && !w.more {
		w.endBacklog()
	}
}

// endBacklog marks that all has been passed on that was there at the start. That may
// not be all of this boot: files are rotated away.
func (w *work) endBacklog() {
	r, now := w.receiver, w.batch.now
	mark := pipeline.Record{
		Time: now.Wall, ObservedTime: now.Wall, Boot: pipeline.BootTime{ID: r.settings.Boot.ID, At: now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.id,
		Attributes: pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, false)},
	}
	if w.refused || w.ctx.Err() != nil {
		return
	}
	w.ended = pipeline.Send(w.ctx, r.next, []pipeline.Record{mark}, func() {}) == nil
}
