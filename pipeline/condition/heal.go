package condition

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// A healthy status on the Node ends what is not after it. But the lines up to it
// are told again first, each receiver's in order, so that no Event is lost that
// the agent before had not sent; then they end silently. Meanwhile what they hold
// is past: it is not shown.

// isPast tells whether a cause had ended by the time of a healthy status on the Node.
func (s *State) isPast(ts *TypeState, c *Cause) bool {
	return ts.Healed != nil && c.Level == nil && s.compare(c.Last, ts.Healed.UpTo) <= 0
}

// agePast makes that past which the state has of the second of the Node's healthy
// status: times are told in whole ones. It is for a state that does not know that
// status: so the Node became healthy after all that the state knows.
func (m *step) agePast(ts *TypeState, at pipeline.Order) {
	second := at
	second.Boot.At += time.Second - 1
	for _, c := range ts.Causes {
		if c.active() && c.Level == nil && m.s.compare(c.T, second) <= 0 && m.s.compare(c.Last, second) <= 0 && m.s.compare(c.Last, at) > 0 {
			c.Last = at
		}
	}
}

// wasProblem tells whether anything past is a problem, as far as it was replayed.
func (s *State) wasProblem(ts *TypeState) bool {
	for _, c := range ts.Causes {
		if c.active() && c.State == pipeline.StateProblem && s.isPast(ts, c) {
			return true
		}
	}
	return false
}

// showPast makes the Events of what had happened by the time of a healthy status on
// the Node. It tells whether an activation was such.
func (m *step) showPast(t *bookType, ts *TypeState, why turn) (past bool) {
	was := ts.Healed.Problem
	ts.Healed.Problem = m.s.wasProblem(ts)
	if why.activated {
		if past = m.s.isPast(ts, why.cause); past {
			m.tellOfThePast(t, ts, why.cause)
		}
		return past
	}
	over := was && !ts.Healed.Problem && ts.Shown.State == pipeline.StateOK
	if over && !why.silent && m.s.within(why.order, ts.Healed.UpTo) {
		tr := pipeline.Transition{
			UID: pipeline.TransitionUID(why.uid, t.Name, ts.Shown.Status), Kind: pipeline.TransitionStatus,
			Condition: ts.Shown, MakesEvent: true, Source: ts.sourceOf(t),
		}
		if why.cause != nil {
			tr.Cause = why.cause.told()
		}
		m.addEvent(t, &tr, why)
		m.out.Changes = append(m.out.Changes, Change{Transition: tr, Time: why.time})
	}
	return false
}

// pass notes that a receiver has come to an order, the zero order being the end
// of its backlog.
func (m *step) pass(receiver string, order pipeline.Order) {
	for _, t := range m.book.types {
		ts := m.s.Types[t.Name]
		if ts.Healed == nil || ts.Healed.Passed[receiver] {
			continue
		}
		if order != (pipeline.Order{}) && m.s.compare(order, ts.Healed.UpTo) <= 0 {
			continue
		}
		if ts.Healed.Passed == nil {
			ts.Healed.Passed = map[string]bool{}
		}
		ts.Healed.Passed[receiver] = true
		m.endHealed(t, ts, "receiver "+receiver, func(c *Cause) bool { return c.Receiver == receiver })
	}
}

// outlive ends a cause that another receiver holds up to the healthy status, if
// a later line is about to activate it again.
func (m *step) outlive(t *bookType, ts *TypeState, c *Cause, receiver string, order pipeline.Order) {
	if ts.Healed == nil || !c.active() {
		return
	}
	if ts.Healed.Passed[receiver] || m.s.compare(order, ts.Healed.UpTo) > 0 {
		m.endHealed(t, ts, "rule "+c.Rule+" "+c.Instance, func(one *Cause) bool { return one == c })
	}
}

// endHealed silently ends the causes that are not after the healthy status. What
// it is ended by tells several ends of one input apart.
func (m *step) endHealed(t *bookType, ts *TypeState, by string, which func(*Cause) bool) {
	upTo := ts.Healed.UpTo
	var ended []*Cause
	for _, c := range ts.Causes.sorted() {
		if c.active() && c.Level == nil && which(c) && m.s.compare(c.Last, upTo) <= 0 {
			m.end(c, upTo)
			ended = append(ended, c)
		}
	}
	m.showEnds(t, ts, ended, turn{
		uid: pipeline.CauseUID("node", m.s.Boot.ID, upTo.Boot.At.String(), by), time: m.now.wallAt(upTo.Boot.At), order: upTo, silent: true,
	})
}

// finishHealed ends what is left when all receivers have passed.
func (m *step) finishHealed(t *bookType, ts *TypeState) {
	if ts.Healed == nil {
		return
	}
	m.endHealed(t, ts, "backlog", func(*Cause) bool { return true })
	m.s.raise(&ts.ClearedUpTo, ts.Healed.UpTo)
	ts.Healed = nil
}
