package condition

import (
	"github.com/otelnpd/otelnpd/pipeline"
)

// recovery judges a line that tells of a rule's recovery: it ends the causes
// whose newest match is not after it.
func (m *step) recovery(in *Recovery) {
	rule := m.book.byRule[in.Problem.Rule]
	if rule == nil {
		m.out.Dropped = DropUnknownRule
		return
	}
	order := m.orderOf(&in.Occurrence)
	boot := ""
	if order.Boot.ID != m.s.Boot.ID {
		boot = order.Boot.ID
	}
	m.dropSilenced(rule, in, order, boot)
	if rule.on == nil {
		m.recover(m.s.Events, rule, in, order, boot)
		return
	}
	m.out.trace = traceChange
	m.pass(in.Receiver, order)
	ts := m.s.Types[rule.on.Name]
	ended := m.recover(ts.Causes, rule, in, order, boot)
	m.showEnds(rule.on, ts, ended, turn{uid: in.Problem.UID, time: in.Time, order: order})
}

// recover ends what a recovery ends and leaves a tombstone, so that a line which
// is not after it but is read after it activates nothing. It returns the causes
// that held.
func (m *step) recover(causes Causes, rule *bookRule, in *Recovery, order pipeline.Order, boot string) []*Cause {
	if in.Problem.Instance == "" {
		m.s.raise(&m.s.rule(rule.ID).Cleared, order)
	} else if c, full := m.slot(causes, rule, Key{Rule: rule.ID, Instance: in.Problem.Instance, Boot: boot}); !full {
		m.s.raise(&c.Cleared, order)
	}
	var ended []*Cause
	for _, c := range causes.ofRule(rule.ID) {
		if c.Boot != boot || c.Instance == OtherInstance || !recovers(rule, in.Problem, c) {
			continue
		}
		m.dropHits(c, order)
		if c.State != pipeline.StateProblem || m.s.compare(c.Last, order) > 0 {
			continue
		}
		if c.active() {
			ended = append(ended, c)
		}
		m.end(c, order)
	}
	return ended
}

// recovers tells whether a recovery is about a cause: no instance clears all of
// the rule. A cause read from the Node whose instance is not known is cleared by
// a recovery that renders its message.
func recovers(rule *bookRule, p *pipeline.Problem, c *Cause) bool {
	if p.Instance == "" || p.Instance == c.Instance {
		return true
	}
	return c.FromNode && (!rule.HasInstances || (p.Message != "" && p.Message == c.Message))
}

// showEnds shows a type once for all causes that an input has ended, and forgets
// those that no line had confirmed.
func (m *step) showEnds(t *bookType, ts *TypeState, ended []*Cause, why turn) {
	if len(ended) == 0 {
		return
	}
	why.cause = ended[0]
	m.show(t, ts, why)
	for _, c := range ended {
		if c.FromNode {
			m.remove(ts.Causes, c)
		}
	}
}
