package condition

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// invariants checks one step: what changed is told, in a chain without gaps;
// times move with statuses alone; the status is the OR of the causes.
func invariants(book *Book, before map[string]pipeline.Condition, s *State, out Outcome, now Now) error {
	shown := maps.Clone(before)
	uids := map[pipeline.UID]bool{}
	for i := range out.Changes {
		c := &out.Changes[i]
		if uids[c.UID] {
			return fmt.Errorf("two transitions of one input share the UID %s", c.UID)
		}
		uids[c.UID] = true
		old, known := shown[c.Condition.Type]
		if known && !out.seeded { // the Node's own conditions are no transitions
			if err := follows(old, c, s.Types[c.Condition.Type], now); err != nil {
				return fmt.Errorf("%s: %w", describe(c), err)
			}
		}
		shown[c.Condition.Type] = c.Condition
	}
	for name, ts := range s.Types {
		if told, known := shown[name]; known && told != ts.Shown && !out.seeded {
			return fmt.Errorf("%s changed untold: told %+v, is %+v", name, told, ts.Shown)
		}
	}
	return standsRight(book, s)
}

func follows(old pipeline.Condition, c *Change, ts *TypeState, now Now) error {
	next := c.Condition
	if c.StatusChanged != (old.Status != next.Status) {
		return fmt.Errorf("says status changed: %t, from %s", c.StatusChanged, old.Status)
	}
	if c.Kind == pipeline.TransitionMessage && c.StatusChanged {
		return errors.New("a message transition changes the status")
	}
	if (c.EventMessage != "") != c.MakesEvent {
		return errors.New("an Event without text, or text without an Event")
	}
	if next.LastTransitionTime != next.LastTransitionTime.Truncate(time.Second) {
		return errors.New("its time is no whole second")
	}
	backToNode := ts.Pin != nil && next.Status == ts.Pin.Status
	if c.StatusChanged && next.LastTransitionTime.Before(old.LastTransitionTime) && !old.LastTransitionTime.After(now.Wall) && !backToNode {
		return fmt.Errorf("its time went back from %s", offset(old.LastTransitionTime))
	}
	return nil
}

// standsRight works out every condition anew, from the causes alone.
func standsRight(book *Book, s *State) error {
	for _, t := range book.types {
		ts := s.Types[t.Name]
		problems, unknowns := map[string]bool{}, 0
		reasons := map[string]bool{}
		for key, c := range ts.Causes {
			if key.Boot != "" || (c.Level == nil && ts.Healed != nil && s.within(c.Last, ts.Healed.UpTo)) {
				continue // it had ended by the time of the Node's healthy status
			}
			switch c.State {
			case pipeline.StateProblem:
				problems[key.Rule+"\x00"+key.Instance] = true
				reasons[c.Reason] = true
			case pipeline.StateUnknown:
				unknowns++
			default:
			}
		}
		want := pipeline.StateOK
		switch {
		case len(problems) > 0:
			want = pipeline.StateProblem
		case unknowns > 0 || (!t.InitiallyHealthy && anySilent(book, s, t)):
			want = pipeline.StateUnknown
		}
		if ts.Shown.State != want {
			return fmt.Errorf("%s is %s, its causes say %s", t.Name, ts.Shown.State, want)
		}
		if want != pipeline.StateProblem {
			continue
		}
		if !reasons[ts.Shown.Reason] {
			return fmt.Errorf("%s shows the reason %s that no cause has", t.Name, ts.Shown.Reason)
		}
		suffix := fmt.Sprintf(" (and %d more)", len(problems)-1)
		if len(problems) > 1 && !strings.HasSuffix(ts.Shown.Message, suffix) {
			return fmt.Errorf("%s has %d causes and shows %q", t.Name, len(problems), ts.Shown.Message)
		}
	}
	return nil
}

func anySilent(book *Book, s *State, t *bookType) bool {
	for _, rule := range book.rules {
		if rule.on == t && rule.Level && (s.Rules[rule.ID] == nil || !s.Rules[rule.ID].Spoken) {
			return true
		}
	}
	return false
}
