package condition

import (
	"github.com/otelnpd/otelnpd/pipeline"
)

// A run of a check may say something of several instances, what is worst first. What it
// says as a whole is known once it tells that it has named all of them.

// isComplete tells whether a verdict is the ok of the node as a whole that says that
// its run has named all instances that there are.
func (in *Verdict) isComplete() bool {
	p := in.Problem
	return p.Verdict.Complete && p.Instance == "" && p.State == pipeline.StateOK && !p.Verdict.Between
}

// isBad tells whether a verdict says something else than ok, or not clearly that.
func (in *Verdict) isBad() bool {
	return in.Problem.State != pipeline.StateOK || in.Problem.Verdict.Between
}

// beginRun begins another run of a check, if the verdict in hand is of one.
func (m *step) beginRun(rule *bookRule, start pipeline.BootTime) {
	if rs := m.s.rule(rule.ID); rs.Run.Start != start {
		rs.Run = Run{Start: start}
	}
}

// noteRun notes what a verdict adds to what its run says as a whole.
func (m *step) noteRun(rule *bookRule, c *Cause, full bool) {
	run := &m.s.rule(rule.ID).Run
	run.Bad = true
	run.Open = run.Open || full || m.out.Silenced || c.State != pipeline.StateProblem
	m.doubt(rule)
	for _, cleared := range m.book.clearedBy[rule.ID] {
		m.doubt(cleared)
	}
}

// doubt takes back the first ok of some instance for a cause of which the Node did not
// tell the instance: the same run says that of another one that may be it.
func (m *step) doubt(rule *bookRule) {
	if rule.on == nil {
		return
	}
	if c := m.s.Types[rule.on.Name].Causes[Key{Rule: rule.ID, FromNode: !rule.Level}]; c != nil {
		c.OKStart = pipeline.BootTime{}
	}
}

// settleBetween makes problem or ok of a figure between the limit at which a problem
// begins and the one at which it ends: what holds goes on. So it is a problem where
// its own cause is one, or was before a verdict that could not tell. Else it is ok:
// a problem that was under way begins anew.
func settleBetween(c *Cause, in *Verdict) *Verdict {
	if !in.Problem.Verdict.Between {
		return in
	}
	l, state := c.Level, pipeline.StateOK
	wasProblem := c.State == pipeline.StateUnknown && l.Streak == pipeline.StateProblem && l.Settled
	if l.Holds || c.State == pipeline.StateProblem || wasProblem {
		state = pipeline.StateProblem
	}
	settled := *in.Problem
	settled.State = state
	in = &Verdict{in.Occurrence}
	in.Problem = &settled
	return in
}

// complete lets a run that has named all instances end those that it has not named:
// they are gone. If it has said nothing else than ok, that is an ok of the node as a
// whole. If all that it has said else is shown as a problem, a cause without an instance
// is one of those, or over.
func (m *step) complete(rule *bookRule, causes Causes, c *Cause, in *Verdict, order pipeline.Order) {
	gone := m.endUnnamed(rule, causes, in, order)
	rs := m.s.rule(rule.ID)
	if !rs.Run.Bad {
		m.judge(rule, c, false, in, order)
		c.Level.note(in.Problem)
	} else {
		m.out.trace = traceSteady
		// Its oks are no longer in a row.
		if begun := (LevelState{Start: c.Level.Start, Unknown: true, Between: rs.Run.Open}); !rs.Answered || *c.Level != begun {
			*c.Level = begun
			m.out.trace = traceChange
		}
		rs.Answered = true
		if rule.on != nil && c.active() && !rs.Run.Open {
			m.levelOK(rule, m.s.Types[rule.on.Name], rs, c, in, order)
		}
	}
	if gone {
		m.out.trace = traceChange
	}
}

// endUnnamed takes the instances that a complete run has not named for ok. It tells
// whether that has changed anything.
func (m *step) endUnnamed(rule *bookRule, causes Causes, in *Verdict, order pipeline.Order) (changed bool) {
	start := m.startOf(in.Problem)
	for _, c := range causes.ofRule(rule.ID) {
		if c.Instance == "" || c.Boot != "" || c.Silenced || c.Level == nil || c.Level.Start == start {
			continue
		}
		changed = changed || !c.Level.Settled || c.Level.Streak != pipeline.StateOK
		c.Level.Start, c.Level.Between, c.Level.Unknown = start, false, false
		switch turned := m.streak(rule, c.Level, false, pipeline.StateOK, order.Boot.At); {
		case !turned:
		case rule.on != nil:
			m.levelOK(rule, m.s.Types[rule.on.Name], m.s.rule(rule.ID), c, in, order)
		default:
			c.Level.Holds = false
		}
	}
	for _, c := range m.s.Events.ofRule(rule.ID) {
		if c.Silenced && c.Instance != "" && c.Level != nil && c.Level.Start != start {
			*c.Level = LevelState{Start: start}
		}
	}
	return changed
}
