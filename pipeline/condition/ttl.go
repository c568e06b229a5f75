package condition

import (
	"cmp"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// armTTL lets the cause's ttl run from its newest match.
func (m *step) armTTL(rule *bookRule, c *Cause) {
	if rule.ttl() == 0 {
		return
	}
	m.runTTL(rule, c, c.Last.Boot.At)
	if due, runs := m.runsOutAt(c); runs {
		m.arm(due)
	}
}

// runTTL starts a ttl anew from an instant of the boot clock. It stands still at
// once if a source of the rule is degraded.
func (m *step) runTTL(rule *bookRule, c *Cause, from time.Duration) {
	c.Armed, c.Paused, c.Standing = from, 0, false
	if since, degraded := m.degradedSince(rule); degraded {
		c.Standing, c.PausedFrom = true, max(since, from)
	}
}

// degradedSince tells since when a source of the rule cannot be read.
func (m *step) degradedSince(rule *bookRule) (since time.Duration, degraded bool) {
	for id, r := range m.s.Receivers {
		if r.Degraded && rule.hears(id, r) && (!degraded || r.Since < since) {
			since, degraded = r.Since, true
		}
	}
	return since, degraded
}

// dueAt returns the boot clock at which a timer ends the cause, were its sources
// all well from now on.
func (m *step) dueAt(c *Cause) (time.Duration, bool) {
	rule := m.book.byRule[c.Rule]
	if rule == nil || !c.active() || rule.ttl() == 0 {
		return 0, false
	}
	return c.Armed + rule.ttl() + c.Paused, true
}

// runsOutAt returns the boot clock at which a timer ends the cause, as things are:
// not if it stands still and had not run out before. A source that cannot be read
// and whose backlog has not come may have told of the cause since: until it has,
// nobody knows that it had run out.
func (m *step) runsOutAt(c *Cause) (at time.Duration, runs bool) {
	due, ok := m.ranOutAt(c)
	if !ok || (c.Standing && m.unread(m.book.byRule[c.Rule])) {
		return 0, false
	}
	return due, true
}

// ranOutAt returns the same where a match tells that all has been read that matters.
func (m *step) ranOutAt(c *Cause) (at time.Duration, runs bool) {
	due, ok := m.dueAt(c)
	return due, ok && (!c.Standing || due <= c.PausedFrom)
}

// unread tells whether a rule waits for the backlog of a source that cannot be read.
func (m *step) unread(rule *bookRule) bool {
	for id, r := range m.s.Receivers {
		if r.Degraded && r.Backlog == BacklogPending && rule.hears(id, r) {
			return true
		}
	}
	return false
}

// expire ends the causes of a type whose ttl has run out by an instant of the
// boot clock, each at its own time. matched is the one that is about to be a problem
// again, if any.
func (m *step) expire(t *bookType, ts *TypeState, by time.Duration, matched Key) {
	if !t.hasTTL {
		return
	}
	type ending struct {
		*Cause
		due time.Duration
	}
	var over []ending
	for _, c := range ts.Causes {
		due, runs := m.runsOutAt(c)
		switch {
		case c.Key == matched:
			due, runs = m.ranOutAt(c)
		case c.FromNode && c.Rule == matched.Rule && c.Instance == matched.Instance:
			continue // the match arms its timer anew, or takes its place
		}
		if runs && due <= by {
			over = append(over, ending{c, due})
		}
	}
	slices.SortFunc(over, func(x, y ending) int { return cmp.Or(cmp.Compare(x.due, y.due), x.compare(y.Key)) })
	for _, e := range over {
		m.endByTTL(t, ts, e.Cause, e.due)
	}
}

// endByTTL ends a cause. Its tombstone is its newest match: a line that comes
// after that tells of the problem anew.
func (m *step) endByTTL(t *bookType, ts *TypeState, c *Cause, due time.Duration) {
	m.end(c, c.Last)
	m.show(t, ts, turn{
		uid: pipeline.CauseUID("ttl", c.UID.String()), time: m.now.wallAt(due), order: m.now.orderAt(due), cause: c,
	})
	if c.FromNode {
		m.remove(ts.Causes, c)
	}
}

// sourceState notes whether a receiver can read its source. While it cannot, the
// timers of the rules that it feeds stand still: silence is not health.
func (m *step) sourceState(in *SourceState) {
	if m.s.stranger(in.Receiver) {
		return
	}
	r := m.s.receiver(in.Receiver)
	if r.Degraded == in.Degraded {
		return
	}
	r.Degraded, r.Since = in.Degraded, m.now.Boot
	m.out.trace = traceChange
	m.sourcesChanged()
}

// expect notes the receivers that feed the conditions, and forgets all others.
func (m *step) expect(in *Receivers) {
	for id := range m.s.Receivers {
		if !slices.Contains(in.IDs, id) {
			delete(m.s.Receivers, id)
		}
	}
	for _, id := range in.IDs {
		if r := m.s.receiver(id); r.Backlog == "" {
			r.Backlog = BacklogPending
		}
	}
	m.s.AwaitsReceivers, m.s.ReceiversKnown = false, true
	m.out.trace = traceChange
	m.sourcesChanged()
}

func (m *step) sourcesChanged() {
	for _, t := range m.book.types {
		if !t.hasTTL {
			continue
		}
		for _, c := range m.s.Types[t.Name].Causes {
			m.standStill(c)
		}
	}
	if m.s.backlogOver() {
		m.finishBacklog(pipeline.CauseUID("backlog", m.s.Boot.ID))
	}
	m.rearm()
}

func (m *step) standStill(c *Cause) {
	rule := m.book.byRule[c.Rule]
	if rule == nil || rule.ttl() == 0 || !c.active() {
		return
	}
	_, degraded := m.degradedSince(rule)
	switch {
	case degraded && !c.Standing:
		c.Standing, c.PausedFrom = true, max(m.now.Boot, c.Armed)
	case !degraded && c.Standing:
		c.Standing = false
		c.Paused += max(0, m.now.Boot-c.PausedFrom)
	}
}
