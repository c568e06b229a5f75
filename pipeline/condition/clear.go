package condition

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// clear ends all causes of a type for the operator, whatever clears them, and
// forgets what checks have said: the next problem verdict activates again.
func (m *step) clear(in *OperatorClear) {
	t := m.book.byType[in.Type]
	if t == nil {
		return
	}
	m.out.trace = traceChange
	ts := m.s.Types[t.Name]
	upTo := m.clearedUpTo(ts)
	m.s.raise(&ts.ClearedUpTo, upTo)
	ts.Healed = nil
	for _, c := range ts.Causes.sorted() {
		m.forget(ts, c, upTo)
	}
	ts.Update, ts.Removed = nil, ""
	m.show(t, ts, turn{
		uid: pipeline.CauseUID("operator", m.s.Node, in.RequestID), time: m.now.Wall, order: m.now.orderAt(m.now.Boot),
	})
}

// clearSlack is how far the stamps of lines may lag behind the boot clock.
const clearSlack = time.Second

// clearedUpTo returns what an operator's clear covers: while a backlog is being
// read, all that was written before now; then all that has been judged, and what
// is still to come from before. A line just after the clear is a new problem,
// even if its stamp, which lags behind the boot clock a little, says otherwise.
func (m *step) clearedUpTo(ts *TypeState) pipeline.Order {
	if !m.s.backlogOver() {
		return m.now.orderAt(m.now.Boot)
	}
	newest := m.now.orderAt(m.now.Boot - clearSlack)
	for _, c := range ts.Causes {
		for _, order := range []pipeline.Order{c.T, c.Last} {
			if order != (pipeline.Order{}) {
				m.s.raise(&newest, order)
			}
		}
		for i := range c.Hits {
			m.s.raise(&newest, c.Hits[i].Order)
		}
	}
	newest.Place = pipeline.Place{} // of all sources
	return newest
}

// forget ends a cause with all that it remembers but the tombstone.
func (m *step) forget(ts *TypeState, c *Cause, tombstone pipeline.Order) {
	if c.FromNode || c.Rule == RestoredRule || c.Rule == OthersRule || c.Boot != "" {
		m.remove(ts.Causes, c)
		return
	}
	m.end(c, tombstone)
	if c.Level != nil {
		*c.Level = LevelState{Start: c.Level.Start}
	}
}

// backlogEnd notes that a receiver has told all that it found at start.
func (m *step) backlogEnd(in *BacklogEnd) {
	if m.s.stranger(in.Receiver) {
		return
	}
	m.out.trace = traceChange
	r := m.s.receiver(in.Receiver)
	r.Backlog, r.Complete = BacklogEnded, in.Complete
	m.pass(in.Receiver, pipeline.Order{})
	if m.s.backlogOver() {
		m.finishBacklog(pipeline.CauseUID("backlog", m.s.Boot.ID))
	}
	m.rearm()
}

// finishBacklog does what waits for the last line of the backlog.
func (m *step) finishBacklog(uid pipeline.UID) {
	for _, t := range m.book.types {
		ts := m.s.Types[t.Name]
		m.finishHealed(t, ts)
		m.dropConfirmed(ts)
		m.endOthers(t, ts, turn{uid: uid, time: m.now.Wall, order: m.now.orderAt(m.now.Boot)})
		ts.Pin = nil
		if m.s.backlogOver() {
			m.expire(t, ts, m.now.Boot, Key{})
		}
	}
}

// dropConfirmed forgets what was read from the Node where lines older than the
// Node's status have led to the same cause: it is counted once.
func (m *step) dropConfirmed(ts *TypeState) {
	for _, c := range ts.Causes.sorted() {
		if c.FromNode && ts.holds(Key{Rule: c.Rule, Instance: c.Instance}) {
			m.remove(ts.Causes, c)
		}
	}
}
