package condition

import (
	"github.com/otelnpd/otelnpd/pipeline"
)

// match judges a line that a rule's pattern matches.
func (m *step) match(in *Match) {
	rule := m.book.byRule[in.Problem.Rule]
	if rule == nil {
		m.out.Dropped = DropUnknownRule
		return
	}
	if in.Problem.State != pipeline.StateProblem {
		m.out.Dropped = DropNoVerdict
		return
	}
	order := m.orderOf(&in.Occurrence)
	m.out.Silenced = m.silenced(rule.ID, order)
	if rule.on == nil || m.out.Silenced {
		m.event(rule, in, order)
		return
	}
	if m.seen(rule, &in.Occurrence) {
		m.out.Dropped = DropRepeated
		return
	}
	m.out.trace = traceChange
	m.pass(in.Receiver, order)
	ts := m.s.Types[rule.on.Name]
	if order.Boot.ID != m.s.Boot.ID {
		m.matchEarlierBoot(rule, ts, in, order)
		return
	}
	key := Key{Rule: rule.ID, Instance: in.Problem.Instance}
	m.expire(rule.on, ts, order.Boot.At, key)
	c, full := m.slot(ts.Causes, rule, key)
	m.out.JoinedOther = full
	if m.isCleared(ts, rule, c, order) {
		m.out.Dropped = DropCleared
		return
	}
	m.outlive(rule.on, ts, c, in.Receiver, order)
	restored := m.adopts(rule, ts, c, order)
	if c.State == pipeline.StateProblem {
		m.repeat(rule, ts, c, in, order)
		return
	}
	if full && rule.Threshold.MinOccurrences > 1 {
		m.out.Dropped = DropInstanceLimit
		return
	}
	if _, fires := m.hit(rule, c, order, in.Problem.UID); !fires {
		return
	}
	if restored != nil {
		m.remove(ts.Causes, restored)
	}
	m.activate(rule, ts, c, &in.Occurrence, order)
}

// maxSources is how many sources of a rule's lines are known again.
const maxSources = 32

// seen tells whether a receiver has told the rule of the line before. The newest
// line of each source is enough for that: places grow.
func (m *step) seen(rule *bookRule, in *Occurrence) bool {
	rs := m.s.rule(rule.ID)
	place := in.Order.Place
	if place.Source == "" {
		return false
	}
	for i := range rs.Seen {
		seen := &rs.Seen[i]
		if seen.Receiver != in.Receiver || !seen.Place.SameSequence(place) {
			continue
		}
		if place.Position <= seen.Place.Position {
			return true
		}
		seen.Place.Position = place.Position
		return false
	}
	if len(rs.Seen) == maxSources {
		rs.Seen = append(rs.Seen[:0], rs.Seen[1:]...)
	}
	rs.Seen = append(rs.Seen, Seen{Receiver: in.Receiver, Place: place})
	return false
}

// isCleared tells whether a match is not after what has cleared its cause.
func (m *step) isCleared(ts *TypeState, rule *bookRule, c *Cause, order pipeline.Order) bool {
	return m.s.within(order, c.Cleared) || m.s.within(order, m.s.rule(rule.ID).Cleared) || m.s.within(order, ts.ClearedUpTo)
}

// adopts finds the restored cause that a line of the same rule and instance
// confirms: one not older than the Node's status. What the machine took for
// active from older lines had ended by then, since the status had been another:
// it ends silently. An older line arms the restored cause's timer alone.
func (m *step) adopts(rule *bookRule, ts *TypeState, c *Cause, order pipeline.Order) *Cause {
	restored := ts.Causes[Key{Rule: c.Rule, Instance: c.Instance, FromNode: true}]
	if restored == nil {
		return nil
	}
	if m.s.compare(order, restored.T) < 0 {
		if rule.ttl() > 0 {
			m.runTTL(rule, restored, order.Boot.At)
		}
		return nil
	}
	if c.State == pipeline.StateProblem {
		m.end(c, c.Last)
	}
	return restored
}

// repeat notes one more match of a cause that is active.
func (m *step) repeat(rule *bookRule, ts *TypeState, c *Cause, in *Match, order pipeline.Order) {
	m.out.trace = traceRepeat
	if m.s.compare(order, c.Last) <= 0 {
		return
	}
	c.Last, c.LastTime, c.Receiver = order, in.Time, in.Receiver
	m.armTTL(rule, c)
	if rule.updatesMessage() && in.Problem.Message != c.Message {
		m.out.trace = traceChange
		m.changeMessage(rule.on, ts, c, &in.Occurrence)
	}
}

// activate makes a cause a problem and tells of it.
func (m *step) activate(rule *bookRule, ts *TypeState, c *Cause, in *Occurrence, order pipeline.Order) {
	m.freeze(rule, c, in, order)
	m.armTTL(rule, c)
	if ts.Update != nil && ts.Update.Key == c.Key {
		ts.Update = nil
	}
	ts.UpdatedAt = m.now.Boot
	m.show(rule.on, ts, turn{uid: in.Problem.UID, time: in.Time, order: order, cause: c, activated: true})
}

// freeze takes what a cause shows from its activation.
func (m *step) freeze(rule *bookRule, c *Cause, in *Occurrence, order pipeline.Order) {
	p := in.Problem
	c.State = pipeline.StateProblem
	if p.State == pipeline.StateUnknown {
		c.State = pipeline.StateUnknown
	}
	c.Restored = false
	c.Reason, c.Message, c.UID = p.Reason, p.Message, p.UID
	c.Severity, c.Source = p.Severity, p.Source
	if c.Source == "" {
		c.Source = rule.Source
	}
	c.T, c.Since = order, in.Time
	if m.s.within(order, c.Last) {
		return
	}
	c.Last, c.LastTime, c.Receiver = order, in.Time, in.Receiver
}

// event judges a match of a rule that acts on no condition, or is kept from it: it
// fires whenever its threshold is passed. A line can come again, through another receiver of its
// source or another pipeline: what has fired goes on there too, but counts once.
func (m *step) event(rule *bookRule, in *Match, order pipeline.Order) {
	rs := m.s.rule(rule.ID)
	if count, again := m.s.Fired.count(in.Problem.UID); again {
		m.out.Again = true
		m.fire(rule, in.Problem, count)
		return
	}
	if m.seen(rule, &in.Occurrence) {
		m.out.Dropped = DropRepeated
		return
	}
	if rule.on != nil { // the line has been seen and passed all the same
		m.out.trace = traceRepeat
		m.pass(in.Receiver, order)
	}
	count := max(in.Problem.Count, 1)
	if rule.Threshold.MinOccurrences > 1 {
		key := Key{Rule: rule.ID, Instance: in.Problem.Instance, Silenced: m.out.Silenced}
		if order.Boot.ID != m.s.Boot.ID {
			key.Boot = order.Boot.ID
		}
		c, full := m.slot(m.s.Events, rule, key)
		if full {
			m.out.JoinedOther, m.out.Dropped = true, DropInstanceLimit
			return
		}
		if m.s.within(order, c.Cleared) || m.s.within(order, rs.Cleared) {
			m.out.Dropped = DropCleared
			return
		}
		var fires bool
		if count, fires = m.hit(rule, c, order, in.Problem.UID); !fires {
			return
		}
	}
	m.s.Fired.add(in.Problem.UID, count)
	m.fire(rule, in.Problem, count)
}

// fire tells of a problem that acts on no condition.
func (m *step) fire(rule *bookRule, problem *pipeline.Problem, count int) {
	fired := *problem
	fired.Count = count
	fired.Observe = rule.Observe || m.out.Silenced
	m.out.Fired = &fired
}
