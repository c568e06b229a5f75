package condition

import (
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// matchEarlierBoot judges a line of another boot (a persistent journal, a file,
// pstore). It is gathered under a key of its own and makes the Event that its
// activation would have made, but no cause: that boot is over. A rule that
// outlives boots is the exception.
func (m *step) matchEarlierBoot(rule *bookRule, ts *TypeState, in *Match, order pipeline.Order) {
	own, full := m.slot(ts.Causes, rule, Key{Rule: rule.ID, Instance: in.Problem.Instance, Boot: order.Boot.ID})
	m.out.JoinedOther = full
	if full && rule.Threshold.MinOccurrences > 1 {
		m.out.Dropped = DropInstanceLimit
		return
	}
	if rule.latched() {
		m.matchLatched(rule, ts, own, in, order)
		return
	}
	if m.s.within(order, own.Cleared) {
		m.out.Dropped = DropCleared
		return
	}
	if ttl := rule.ttl(); ttl > 0 && order.Boot.At-own.Last.Boot.At >= ttl {
		m.end(own, own.Last)
	}
	if own.State == pipeline.StateProblem {
		m.s.raise(&own.Last, order)
		return
	}
	if _, fires := m.hit(rule, own, order, in.Problem.UID); fires {
		m.freeze(rule, own, &in.Occurrence, order)
		m.tellOfThePast(rule.on, ts, own)
	}
}

// matchLatched lets a line of another boot activate the cause that no boot ends.
// Its matches are gathered by boot: between boots there is no window.
func (m *step) matchLatched(rule *bookRule, ts *TypeState, own *Cause, in *Match, order pipeline.Order) {
	c, _ := m.slot(ts.Causes, rule, Key{Rule: rule.ID, Instance: in.Problem.Instance})
	if m.isCleared(ts, rule, c, order) {
		m.out.Dropped = DropCleared
		return
	}
	restored := m.adopts(rule, ts, c, order)
	if c.State == pipeline.StateProblem {
		m.repeat(rule, ts, c, in, order)
		return
	}
	if _, fires := m.hit(rule, own, order, in.Problem.UID); !fires {
		return
	}
	if restored != nil {
		m.remove(ts.Causes, restored)
	}
	m.activate(rule, ts, c, &in.Occurrence, order)
}

// tellOfThePast makes an Event as of an activation that is past. The condition stands
// as it did.
func (m *step) tellOfThePast(t *bookType, ts *TypeState, c *Cause) {
	problem := t.status(pipeline.StateProblem)
	m.out.Changes = append(m.out.Changes, Change{Time: c.Since, problem: true, Transition: pipeline.Transition{
		UID:          pipeline.TransitionUID(c.UID, t.Name, problem),
		Kind:         pipeline.TransitionActivation,
		Condition:    ts.Shown,
		MakesEvent:   true,
		Severity:     max(log.SeverityWarn, c.Severity),
		Source:       c.Source,
		Cause:        c.told(),
		EventMessage: eventMessage(t.Name, problem, c.Reason, c.Message),
	}})
}
