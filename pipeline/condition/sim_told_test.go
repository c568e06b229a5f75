package condition

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// story is all that was ever true of the types of a world in which nothing can be
// lost but what a kill loses. What is told of a type, at any time, must be in it.
type story struct {
	on  bool
	was map[string][]pipeline.Condition
}

// remember notes how things are.
func (w *world) remember() {
	if !w.story.on {
		return
	}
	if w.story.was == nil {
		w.story.was = map[string][]pipeline.Condition{}
	}
	for _, t := range w.book.types {
		truth := w.truth(t)
		is := pipeline.Condition{Status: t.status(truth.state), LastTransitionTime: wholeSecond(wall(truth.since))}
		if !slices.Contains(w.story.was[t.Name], is) {
			w.story.was[t.Name] = append(w.story.was[t.Name], is)
		}
	}
}

// checkTold holds what is told, and how the conditions stand then, against the story.
func (w *world) checkTold(s *State, out *Outcome) error {
	if !w.story.on {
		return nil
	}
	said := make([]pipeline.Condition, 0, len(out.Changes))
	for i := range out.Changes {
		said = append(said, out.Changes[i].Condition)
	}
	for _, ts := range s.Types {
		said = append(said, ts.Shown)
	}
	for _, c := range said {
		once := pipeline.Condition{Status: c.Status, LastTransitionTime: c.LastTransitionTime}
		if !slices.Contains(w.story.was[c.Type], once) {
			return fmt.Errorf("%s is said to be %s since %s, and never was", c.Type, c.Status, offset(c.LastTransitionTime))
		}
	}
	return nil
}

// forgetOrders undoes what an operator has ordered and nobody has written down or
// told the Node: the agent is killed before it has answered.
func (w *world) forgetOrders() {
	if !w.story.on {
		return
	}
	all := slices.DeleteFunc(w.facts, func(f fact) bool { return f.unanswered })
	now := w.abs
	for n := range all {
		w.facts = all[:n+1]
		for w.abs = all[n].at; w.abs < now && (n+1 == len(all) || w.abs < all[n+1].at); w.abs += 0.5 {
			w.remember()
		}
	}
	w.facts, w.abs = all, now
}

// answer notes that what an operator has ordered outlives a kill.
func (w *world) answer() {
	for i := range w.facts {
		w.facts[i].unanswered = false
	}
}

// tellers are configurations under which everything can be known again.
func tellers() []scene {
	line, restarts := op{do: "match", rule: "a"}, []op{
		{do: "clear unanswered", rule: "T"}, {do: "save"}, {do: "patch"}, {do: "patch unanswered"}, {do: "crash"}, {do: "crash late"},
	}
	return []scene{
		{"a line and an operator", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "a", Condition: "T", Reason: "A"}}}
		}, []string{""}, append([]op{line}, restarts...), nil, nil},
		{"a line, its recovery and an operator", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByRecovery}}}}
		}, []string{""}, append([]op{line, {do: "recovery", rule: "a"}}, restarts...), nil, nil},
		{"two rules and an operator", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "a", Condition: "T", Reason: "A"}, {ID: "b", Condition: "T", Reason: "B"}}}
		}, []string{""}, append([]op{line, {do: "match", rule: "b"}}, restarts...), nil, nil},
		{"a timer", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByTTL, TTL: 2500 * time.Millisecond}}}}
		}, []string{""}, append([]op{line, {do: "pass", s: 2}}, restarts...), nil, nil},
		{"a check and an operator", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "a", Condition: "T", Reason: "A", Level: true}}}
		}, []string{""}, append([]op{{do: "verdict", rule: "a", state: pipeline.StateOK}, {do: "verdict", rule: "a", state: pipeline.StateProblem}}, restarts...), nil, nil},
	}
}

// TestNothingIsToldThatNeverWas goes through every order in which lines, orders,
// writes of the state and of the Node, with and without their answers, and kills can
// come, and demands that at no time a status is told, or a time of one, that was not
// so once.
func TestNothingIsToldThatNeverWas(t *testing.T) {
	lengths := []struct{ ops, stride int }{{4, 1}, {6, 211}}
	if soak() {
		lengths = []struct{ ops, stride int }{{6, 1}}
	}
	for _, s := range tellers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s, n := s.stage(t), 0
			for _, length := range lengths {
				everySequence(s.ops, length.ops, length.stride, func(ops []op) {
					n++
					if err := s.tell(ops); err != nil {
						ops = shrink(ops, func(ops []op) bool { return s.tell(ops) != nil })
						t.Fatalf("%v; shrunk to\n%s%v", err, printCase(s.name, false, ops), s.tell(ops))
					}
				})
			}
			t.Logf("%d lives", n)
		})
	}
}

// tell plays a sequence and a last restart.
func (s *stage) tell(ops []op) error {
	w := newWorld(s.book, s.other, s.instances, false, s.receivers...)
	w.story.on = true
	w.save()
	return w.run(append(slices.Clip(ops), op{do: "crash"}, op{do: "patch"}))
}
