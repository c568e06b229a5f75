package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// kept is what a store keeps, as JSON. While the Node's conditions are not known,
// all that has come since the start is kept too, to be judged with them.
type kept struct {
	State   *State       `json:"state"`
	Journal *keptJournal `json:"journal,omitempty"`
}

// Keep returns the writer of what must survive a restart, as it stands now. No
// input is judged meanwhile, and during, if it is not nil, is called before any is:
// what exporters have accepted then is what the state has told them.
func (s *Store) Keep(during func()) pipeline.Encode {
	s.input.Lock()
	defer s.input.Unlock()
	if during != nil {
		defer during()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return kept{}.encode
	}
	now := kept{State: s.state.Clone()}
	if s.journal != nil {
		now.Journal = s.journal.keep()
		s.journalKept = true
	}
	return now.encode
}

// encode writes what is kept.
func (k kept) encode() ([]byte, error) {
	if k.State == nil {
		return []byte(`{"state":null}`), nil
	}
	var w jsonWriter
	w.open()
	w.name("state")
	k.State.write(&w)
	if k.Journal != nil {
		w.value("journal", k.Journal)
	}
	w.close()
	return w.buf, w.err
}

// Resume makes the store begin from what was kept, at the first [Store.Configure].
// An error means that it begins with nothing.
func (s *Store) Resume(text []byte) error {
	var resumed kept
	if err := json.Unmarshal(text, &resumed); err != nil {
		return fmt.Errorf("read the state of the conditions: %w", err)
	}
	if resumed.State == nil {
		return errors.New("read the state of the conditions: there is none")
	}
	if err := resumed.State.mend(); err != nil {
		return fmt.Errorf("read the state of the conditions: %w", err)
	}
	if err := resumed.Journal.mend(); err != nil {
		return fmt.Errorf("read what the conditions wait with for the Node: %w", err)
	}
	s.input.Lock()
	defer s.input.Unlock()
	if s.book != nil {
		return errors.New("resume the conditions: they have begun already")
	}
	if resumed.State.Node != s.options.Node {
		return fmt.Errorf("resume the conditions: they are of the node %q, this is %q", resumed.State.Node, s.options.Node)
	}
	s.resumed = &resumed
	return nil
}

// begin makes the state that the store starts with.
func (s *Store) begin(book *Book, now Now) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book = book
	s.problems.publish(book)
	resumed := s.resumed
	s.starting = resumed != nil
	s.resumed = nil
	switch {
	case resumed == nil:
		s.state = NewState(s.options.Node, book, now)
	case resumed.Journal != nil && s.options.ExpectSeed:
		s.state = resumed.State
		s.journal, s.journalKept = resumed.Journal.journal(book), true
		s.told = s.journal.told()
		restart := &Restart{}
		out := s.state.Step(book, restart, now)
		s.journal.Note(restart, book, now, &out)
	case resumed.Journal != nil:
		s.waitNoMore(resumed, book, now)
	default:
		s.state = resumed.State
		s.state.Begin(book, now)
	}
	if s.options.ExpectSeed && s.journal == nil {
		s.journal = NewJournal(s.state, book, now)
	}
	s.settle()
}

// waitNoMore judges what had waited for the Node as if that said nothing: the
// configuration has no exporter any more that reads it. What was told with
// reservations is told for certain once there are sinks.
func (s *Store) waitNoMore(resumed *kept, book *Book, now Now) {
	journal, restart := resumed.Journal.journal(book), &Restart{}
	out := resumed.State.Step(book, restart, now)
	journal.Note(restart, book, now, &out)
	state, all := journal.Seed(&Seed{}, book, now)
	state.keepEvents(resumed.State, book)
	s.state, s.held = state, all.Changes
}

// goOn returns the inputs for what has become different while the agent was away:
// the boot, and the configuration. They come once there are sinks to be told.
func (s *Store) goOn(now Now) []Input {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var inputs []Input
	if s.state.Boot.ID != now.Current.ID {
		inputs = append(inputs, &NewBoot{})
	}
	if s.state.ConfigHash != s.book.hash {
		inputs = append(inputs, &Reload{})
	}
	return inputs
}

// noteKept tells the keeper of the state what an input has changed. What only
// moves a time forward, a repeat of an active cause, can wait: the lines behind it
// come again until it is written. A verdict like the one before is nothing to keep:
// the check runs again.
func (s *Store) noteKept(in Input, out *Outcome) {
	if len(out.Changes) > 0 {
		s.options.Keeping.Changed()
		return
	}
	switch in.(type) {
	case *Receivers, *FirstVerdicts:
		return // a start makes them anew
	case *Match, *Recovery:
		s.noteLine(out)
		return
	case *Verdict:
		if out.trace == traceSteady {
			return
		}
	default:
	}
	if out.trace != traceNothing {
		s.options.Keeping.Changed()
	}
}

func (s *Store) noteLine(out *Outcome) {
	switch {
	case out.Dropped == DropUnknownRule, out.Dropped == DropNoVerdict, out.Dropped == DropRepeated, out.Again:
	case out.trace == traceRepeat && !out.Silenced:
		s.options.Keeping.Moved()
	default:
		s.options.Keeping.Changed()
	}
}

// Summary is what a kept state tells people.
type Summary struct {
	// Conditions are by type.
	Conditions []pipeline.Condition
	// Owned are the types that the Node has, or may have, from the agent.
	Owned []string
	// Silences are those that had not been ended when it was written.
	Silences []SilenceView
}

// Summarize reads what [Store.Keep] had written.
func Summarize(text []byte) (Summary, error) {
	var s Summary
	if len(text) == 0 {
		return s, nil
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return s, err
	}
	if k.State == nil {
		return s, nil
	}
	for _, name := range slices.Sorted(maps.Keys(k.State.Types)) {
		if ts := k.State.Types[name]; ts != nil {
			s.Conditions = append(s.Conditions, ts.Shown)
			if ts.owned() {
				s.Owned = append(s.Owned, name)
			}
		}
	}
	s.Owned = append(s.Owned, k.State.Delete...)
	for _, rule := range slices.Sorted(maps.Keys(k.State.Silences)) {
		if silence := k.State.Silences[rule]; silence != nil {
			s.Silences = append(s.Silences, SilenceView{Rule: rule, Since: silence.Since, Until: silence.End})
		}
	}
	return s, nil
}
