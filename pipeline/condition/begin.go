package condition

import "time"

// FirstVerdictTimeout is how long after the start a check's first verdict is
// waited for before the Node is told how things stand.
const FirstVerdictTimeout = time.Minute

// NewState returns the state of a node of which nothing is known.
func NewState(node string, book *Book, now Now) *State {
	s := &State{
		Node: node, Boot: BootSpan(now.Current), Types: map[string]*TypeState{}, Events: Causes{},
		Rules: map[string]*RuleState{}, Receivers: map[string]*ReceiverState{}, ConfigHash: book.hash,
	}
	s.Begin(book, now)
	s.AwaitsReceivers = false // they could end nothing yet
	return s
}

// Begin makes a state ready for an agent that has just started. Next come
// [Receivers], [Seed] where there is one, [NewBoot] if it was written in another
// boot, [Reload] if it was written under another configuration, and the backlog.
//
// What a renamed rule held has gone to its heir by then, so that the boot does not
// find it without a rule.
func (s *State) Begin(book *Book, now Now) {
	s.Started = now.Instant
	s.VerdictsIn, s.VerdictsBy = false, now.Boot+FirstVerdictTimeout
	s.due = 0
	clear(s.Receivers)
	s.AwaitsReceivers, s.ReceiversKnown = true, false
	for _, rule := range s.Rules {
		rule.Answered, rule.SaidEither, rule.SaidOK = false, false, false
	}
	for _, ts := range s.Types {
		if ts.Healed != nil {
			ts.Healed.Passed = nil // the backlog was not over: its rest is judged likewise
		}
	}
	m := newStep(s, book, now)
	m.fit()
	m.awaitVerdicts()
	m.rearm()
}

// fit makes causes fit the rules as they are now, which brings about no transition:
// that is left to the reload, as are the causes that no rule takes.
func (m *step) fit() {
	m.fitRules()
	for _, t := range m.book.types {
		m.fitCauses(t, m.declare(t))
	}
}

// fitRules gives what belongs to a renamed rule as a whole to the one rule that
// names it as its former self.
func (m *step) fitRules() {
	heirs := map[string][]string{}
	for _, rule := range m.book.rules {
		for _, former := range rule.Formerly {
			if m.s.Rules[former.ID] != nil && m.book.byRule[former.ID] == nil {
				heirs[former.ID] = append(heirs[former.ID], rule.ID)
			}
		}
	}
	for id, named := range heirs {
		if old, heir := m.s.Rules[id], m.s.rule(named[0]); len(named) == 1 && len(heir.Seen) == 0 && !heir.Spoken {
			instances := heir.Instances
			*heir = *old
			heir.Instances = instances
			*old = RuleState{Instances: old.Instances}
		}
	}
}

// declare adds a type that is new.
func (m *step) declare(t *bookType) *TypeState {
	if ts, known := m.s.Types[t.Name]; known {
		return ts
	}
	ts := &TypeState{Causes: Causes{}, Levels: t.levelIDs()}
	m.s.Types[t.Name] = ts
	ts.Shown = m.condition(t, ts)
	ts.Shown.LastTransitionTime = wholeSecond(m.now.Wall)
	return ts
}
