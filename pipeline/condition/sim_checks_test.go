package condition

import (
	"cmp"
	"maps"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// finding is what a check of the simulation finds of an instance.
type finding struct {
	state   pipeline.State
	between bool
}

// rank orders what a run says: what is worst comes first.
func (f finding) rank() int {
	switch {
	case f.state == pipeline.StateProblem && !f.between:
		return 0
	case f.between:
		return 1
	default:
		return 2
	}
}

// find changes what a check finds.
func (w *world) find(o op) {
	if w.finds[o.rule] == nil {
		w.finds[o.rule] = map[string]finding{}
	}
	if o.do == "gone" {
		delete(w.finds[o.rule], o.instance)
		return
	}
	w.finds[o.rule][o.instance] = finding{o.state, o.do == "between"}
}

// verdict lets a check run. One with instances names them all.
func (w *world) verdict(check string) error {
	found, rule := w.finds[check], w.called(check)
	if found == nil && !rule.HasInstances {
		return nil
	}
	named := slices.SortedFunc(maps.Keys(found), func(x, y string) int {
		return cmp.Or(found[x].rank()-found[y].rank(), cmp.Compare(x, y))
	})
	bad := false
	for _, instance := range named {
		is := found[instance]
		bad = bad || is.between || is.state != pipeline.StateOK
		w.facts = append(w.facts, fact{
			kind: "verdict", rule: check, instance: instance, state: is.state, between: is.between, at: w.abs, unanswered: w.story.on,
			uid: w.verdictUID(rule, instance),
		})
		if err := w.say(rule, instance, is, false); err != nil {
			return err
		}
	}
	if rule.HasInstances {
		w.facts = append(w.facts, fact{kind: "complete", rule: check, named: maps.Clone(found), bad: bad, at: w.abs, unanswered: w.story.on})
		if err := w.say(rule, "", finding{state: pipeline.StateOK}, true); err != nil {
			return err
		}
	}
	return w.tellEagerly()
}

func (w *world) verdictUID(rule *bookRule, instance string) pipeline.UID {
	return pipeline.VerdictUID("node-1", w.bootID(), rule.ID, instance, w.now().Boot)
}

func (w *world) say(rule *bookRule, instance string, is finding, complete bool) error {
	start := w.now().Boot
	return w.input(&Verdict{Occurrence{
		Order: pipeline.Order{Boot: pipeline.BootTime{ID: w.bootID(), At: start}}, Time: w.now().Wall,
		Problem: &pipeline.Problem{
			UID: w.verdictUID(rule, instance), Rule: rule.ID, Condition: rule.Condition, Reason: rule.Reason,
			Message: "on " + instance, Instance: instance, State: is.state, Count: 1,
			Verdict: &pipeline.Verdict{Boot: w.bootID(), Start: start, Between: is.between, Complete: complete},
		},
	}})
}

// hangsBetween tells whether the agent, once killed, may not know of a problem that a
// check finds between its limits: what is kept or on the Node may be from before it,
// and the Node names one instance of several.
func (w *world) hangsBetween(t *bookType, upToDate bool) bool {
	between, all := 0, 0
	for _, rule := range t.levels {
		for _, is := range w.finds[rule.name()] {
			if is.between {
				between++
			}
			if is.between || is.state == pipeline.StateProblem {
				all++
			}
		}
	}
	return between > 0 && (!upToDate || all > 1 || len(t.rules) > len(t.levels))
}
