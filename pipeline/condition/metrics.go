package condition

import (
	"github.com/otelnpd/otelnpd/pipeline"
)

// problemCounts counts, by reason, the Events made for problems. It knows no
// configuration, so that a reload resets nothing. The store's mu guards it.
type problemCounts struct {
	byReason map[string]int64
	silenced map[string]int64 // by rule
}

// publish makes the reason of every reported rule known with what it has so far.
func (p *problemCounts) publish(book *Book) {
	if p.byReason == nil {
		p.byReason, p.silenced = map[string]int64{}, map[string]int64{}
	}
	for _, rule := range book.rules {
		if !rule.Unreported && !rule.Observe {
			p.byReason[rule.Reason] += 0
		}
	}
}

// note counts what an outcome brings.
func (p *problemCounts) note(book *Book, out *Outcome) {
	if fired := out.Fired; fired != nil && !out.Again {
		switch {
		case out.Silenced:
			p.silenced[fired.Rule]++
		case !fired.Observe:
			p.add(book, fired.Rule, fired.Reason)
		}
	}
	for i := range out.Changes {
		change := &out.Changes[i]
		made := change.Kind == pipeline.TransitionActivation || change.Kind == pipeline.TransitionMessage
		if made && change.MakesEvent && !change.Repeated && change.problem {
			p.add(book, change.Cause.Rule, change.Cause.Reason)
		}
	}
}

func (p *problemCounts) add(book *Book, rule, reason string) {
	if r := book.byRule[rule]; r != nil && !r.Unreported {
		p.byReason[reason]++
	}
}

type gaugeSeries struct{ conditionType, reason string }

// gauges returns problem_gauge: 0 for every reported rule on a condition, and
// for the healthy reason where a check acts on it; 1 for the reason that a
// problem shows.
func (s *Store) gauges() map[gaugeSeries]int64 {
	gauges := map[gaugeSeries]int64{}
	if s.book == nil {
		return gauges
	}
	for _, t := range s.book.types {
		reported := false
		for _, rule := range t.rules {
			if rule.Unreported {
				continue
			}
			reported = true
			gauges[gaugeSeries{t.Name, rule.Reason}] = 0
			if rule.Level {
				gauges[gaugeSeries{t.Name, t.HealthyReason}] = 0
			}
		}
		ts := s.state.Types[t.Name]
		if reported && ts.Shown.State == pipeline.StateProblem && s.state.shownIsReported(s.book, ts) {
			gauges[gaugeSeries{t.Name, ts.Shown.Reason}] = 1
		}
	}
	return gauges
}

// shownIsReported tells whether the metrics may name the shown cause.
func (s *State) shownIsReported(book *Book, ts *TypeState) bool {
	var shown *Cause
	for _, c := range ts.Causes {
		if c.active() && !s.isPast(ts, c) && c.State == pipeline.StateProblem && (shown == nil || s.later(c, shown)) {
			shown = c
		}
	}
	if shown == nil {
		return false
	}
	rule := book.byRule[shown.Rule]
	return rule == nil || !rule.Unreported
}
