package condition

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Causes are causes by key.
type Causes map[Key]*Cause

// sorted returns all causes in the order of their keys.
func (c Causes) sorted() []*Cause {
	return slices.SortedFunc(maps.Values(c), func(x, y *Cause) int { return x.compare(y.Key) })
}

// ofRule returns the causes of a rule in the order of their keys.
func (c Causes) ofRule(rule string) []*Cause {
	var found []*Cause
	for key, cause := range c {
		if key.Rule == rule {
			found = append(found, cause)
		}
	}
	slices.SortFunc(found, func(x, y *Cause) int { return x.compare(y.Key) })
	return found
}

func (k Key) compare(other Key) int {
	return cmp.Or(strings.Compare(k.Rule, other.Rule), strings.Compare(k.Instance, other.Instance),
		strings.Compare(k.Boot, other.Boot), compareBool(k.FromNode, other.FromNode), compareBool(k.Silenced, other.Silenced))
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	default:
		return 1
	}
}

// Clone returns a copy that shares nothing that changes.
func (s *State) Clone() *State {
	c := *s
	c.Boots, c.Delete = slices.Clone(s.Boots), slices.Clone(s.Delete)
	c.Events = s.Events.clone()
	c.Fired = s.Fired.clone()
	c.Types = make(map[string]*TypeState, len(s.Types))
	for name, ts := range s.Types {
		c.Types[name] = ts.clone()
	}
	c.Rules = make(map[string]*RuleState, len(s.Rules))
	for id, rs := range s.Rules {
		copied := *rs
		copied.Seen = slices.Clone(rs.Seen)
		c.Rules[id] = &copied
	}
	if s.Silences != nil {
		c.Silences = make(map[string]*Silence, len(s.Silences))
	}
	for rule, silence := range s.Silences {
		c.Silences[rule] = cloneOf(silence)
	}
	c.Receivers = make(map[string]*ReceiverState, len(s.Receivers))
	for id, r := range s.Receivers {
		copied := *r
		c.Receivers[id] = &copied
	}
	return &c
}

func (ts *TypeState) clone() *TypeState {
	c := *ts
	c.Causes, c.Levels = ts.Causes.clone(), slices.Clone(ts.Levels)
	c.Pin, c.Update = cloneOf(ts.Pin), cloneOf(ts.Update)
	c.Patched, c.Taken = cloneOf(ts.Patched), cloneOf(ts.Taken)
	if c.Healed = cloneOf(ts.Healed); c.Healed != nil {
		c.Healed.Passed = maps.Clone(ts.Healed.Passed)
	}
	return &c
}

func (c Causes) clone() Causes {
	copied := make(Causes, len(c))
	for key, cause := range c {
		one := *cause
		one.Hits, one.Fired = slices.Clone(cause.Hits), slices.Clone(cause.Fired)
		one.Level = cloneOf(cause.Level)
		copied[key] = &one
	}
	return copied
}

func cloneOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	copied := *p
	return &copied
}
