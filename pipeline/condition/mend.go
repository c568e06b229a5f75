package condition

import (
	"errors"
	"fmt"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of what is believed of a state that was read.
const (
	maxCauses = 16 * MaxInstances
	maxHits   = 1 << 20
)

// mend makes a state that was read whole: what can be reckoned is reckoned anew,
// and what no state can be is an error.
func (s *State) mend() error {
	if s.Types == nil {
		s.Types = map[string]*TypeState{}
	}
	if s.Events == nil {
		s.Events = Causes{}
	}
	if s.Rules == nil {
		s.Rules = map[string]*RuleState{}
	}
	if s.Receivers == nil {
		s.Receivers = map[string]*ReceiverState{}
	}
	s.Boots = s.Boots[max(0, len(s.Boots)-maxBoots):]
	s.due = 1 // whatever it was: the next input looks
	errs := []error{s.Events.mend(), s.Fired.mend()}
	for name, ts := range s.Types {
		if ts == nil {
			return fmt.Errorf("condition %q is nothing", name)
		}
		if ts.Causes == nil {
			ts.Causes = Causes{}
		}
		errs = append(errs, ts.Causes.mend())
	}
	for id, rs := range s.Rules {
		if rs == nil {
			return fmt.Errorf("rule %q is nothing", id)
		}
		rs.Seen = rs.Seen[max(0, len(rs.Seen)-maxSources):]
	}
	for id, r := range s.Receivers {
		if r == nil {
			return fmt.Errorf("receiver %q is nothing", id)
		}
	}
	if len(s.Silences) > MaxSilences {
		return fmt.Errorf("%d rules are silenced", len(s.Silences))
	}
	for rule, silence := range s.Silences {
		if silence == nil {
			return fmt.Errorf("the silence of rule %q is nothing", rule)
		}
	}
	s.recount()
	return errors.Join(errs...)
}

// recount counts the instances anew.
func (s *State) recount() {
	s.Instances = 0
	for _, rs := range s.Rules {
		rs.Instances = 0
	}
	count := func(causes Causes) {
		for key, c := range causes {
			s.Uses = max(s.Uses, c.Used)
			if key.counted() {
				s.Instances++
				s.rule(key.Rule).Instances++
			}
		}
	}
	for _, ts := range s.Types {
		count(ts.Causes)
	}
	count(s.Events)
}

func (c Causes) mend() error {
	if len(c) > maxCauses {
		return fmt.Errorf("there are %d causes", len(c))
	}
	for key, cause := range c {
		if cause.State > pipeline.StateProblem || len(cause.Hits) > maxHits {
			return fmt.Errorf("the cause of rule %q, instance %q, is none", key.Rule, key.Instance)
		}
	}
	return nil
}

func (l *FiredLog) mend() error {
	if len(l.All) > maxFired || l.Next < 0 || l.Next >= max(1, len(l.All)) {
		return fmt.Errorf("%d problems have fired, the next is %d", len(l.All), l.Next)
	}
	return nil
}
