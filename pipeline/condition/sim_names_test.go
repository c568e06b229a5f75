package condition

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/otelnpd/otelnpd/pipeline"
)

// name is what a rule is called over all its names: the first in the alphabet.
func (r *bookRule) name() string {
	name := r.ID
	for _, former := range r.Formerly {
		name = min(name, former.ID)
	}
	return name
}

// called returns the rule that has a name under the configuration in hand.
func (w *world) called(name string) *bookRule {
	for _, rule := range w.book.rules {
		if rule.name() == name {
			return rule
		}
	}
	return nil
}

func ruleNames(book *Book) map[string]bool {
	names := map[string]bool{}
	for _, rule := range book.rules {
		names[rule.name()] = true
	}
	return names
}

// matchedBy is a line as a rule by another name finds it.
func matchedBy(in Input, rule *bookRule) Input {
	again := keep(in)
	problem := problemOf(again)
	if problem.Rule == rule.ID {
		return in
	}
	var place pipeline.Place
	switch again := again.(type) {
	case *Match:
		place = again.Order.Place
	case *Recovery:
		place = again.Order.Place
	}
	problem.Rule, problem.UID = rule.ID, pipeline.ProblemUID("node-1", place, rule.ID)
	return again
}

// shadow is a state that was read from the text of another, and must do as that one
// does from then on.
type shadow struct {
	on     bool
	s, of  *State
	inputs int
}

// follow makes the shadow of a state, now and then.
func (h *shadow) follow(s *State) {
	if h.inputs++; !h.on || (h.of == s && h.inputs%7 != 0) {
		return
	}
	h.s, h.of = nil, s
	text, err := kept{State: s}.encode()
	if err != nil {
		return
	}
	store := NewStore(Options{Node: "node-1"})
	if store.Resume(text) == nil {
		h.s = store.resumed.State
	}
}

func (h *shadow) check(book *Book, in Input, now Now, s *State, out Outcome) error {
	if !h.on {
		return nil
	}
	if h.s == nil {
		return errors.New("a state did not come back from its text")
	}
	if got := h.s.Step(book, in, now); !reflect.DeepEqual(got.Changes, out.Changes) || !reflect.DeepEqual(got.Fired, out.Fired) || got.Dropped != out.Dropped {
		return fmt.Errorf("a state from text says %+v, the one it is of %+v", got, out)
	}
	if got, want := essence(h.s), essence(s); got != want {
		return fmt.Errorf("a state from text is %s, the one it is of %s", got, want)
	}
	return nil
}
