package condition

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// How many instances there may be. What comes on top joins (other).
const (
	MaxInstancesPerRule = 256
	MaxInstances        = 4096
)

// slot finds the cause of a key, or makes it. Where there is no room it returns
// the one of (other) and full.
func (m *step) slot(causes Causes, rule *bookRule, key Key) (c *Cause, full bool) {
	c, known := causes[key]
	if !known {
		if key.counted() && !m.room(rule) {
			full = true
			key.Instance = OtherInstance
			c, known = causes[key]
		}
		if !known {
			c = m.add(causes, key)
		}
	}
	m.s.Uses++
	c.Used = m.s.Uses
	return c, full || key.Instance == OtherInstance
}

func (m *step) add(causes Causes, key Key) *Cause {
	c := &Cause{Key: key, State: pipeline.StateOK}
	causes[key] = c
	m.count(key, 1)
	return c
}

func (m *step) remove(causes Causes, c *Cause) {
	delete(causes, c.Key)
	m.count(c.Key, -1)
	m.s.freed++
}

// counted tells whether a key takes a place: the node as a whole and (other) do
// not, in the current boot.
func (k Key) counted() bool {
	return k.Instance != OtherInstance && (k.Instance != "" || k.Boot != "")
}

func (m *step) count(key Key, n int) {
	if !key.counted() {
		return
	}
	m.s.Instances += n
	m.s.rule(key.Rule).Instances += n
}

// room makes room for one more instance of a rule, and tells whether it could.
func (m *step) room(rule *bookRule) bool {
	rs := m.s.rule(rule.ID)
	ruleFull, allFull := rs.Instances >= MaxInstancesPerRule, m.s.Instances >= MaxInstances
	if !ruleFull && !allFull {
		return true
	}
	if rs.full == m.s.freed+1 && m.now.Boot < rs.fullUntil {
		return false // nothing has become free since
	}
	only := ""
	if ruleFull {
		only = rule.ID
	}
	causes, idle := m.leastRecentlyUsed(only)
	if idle == nil {
		rs.full, rs.fullUntil = m.s.freed+1, m.now.Boot+time.Second
		return false
	}
	m.remove(causes, idle)
	return true
}

// leastRecentlyUsed finds the idle instance, of one rule or of any, that was
// touched longest ago.
func (m *step) leastRecentlyUsed(only string) (in Causes, found *Cause) {
	look := func(causes Causes) {
		for key, c := range causes {
			if !key.counted() || (only != "" && key.Rule != only) {
				continue
			}
			if m.idle(c) && (found == nil || c.Used < found.Used) {
				in, found = causes, c
			}
		}
	}
	for _, t := range m.book.types {
		look(m.s.Types[t.Name].Causes)
	}
	look(m.s.Events)
	return in, found
}

// idle tells whether nothing is lost, but for a tombstone, if a cause is
// forgotten: it holds nothing and waits for nothing. Those of earlier boots hold
// nothing either.
func (m *step) idle(c *Cause) bool {
	if c.Boot != "" || (c.Silenced && !m.s.Silences[c.Rule].active(m.now)) {
		return true
	}
	if c.State != pipeline.StateOK || m.hasLiveHits(c) {
		return false
	}
	return c.Level == nil || (c.Level.Streak != pipeline.StateProblem && !c.Level.Holds)
}

// hasLiveHits tells whether a threshold can still be passed with what it has.
func (m *step) hasLiveHits(c *Cause) bool {
	if len(c.Hits) == 0 {
		return false
	}
	rule := m.book.byRule[c.Rule]
	newest := c.Hits[len(c.Hits)-1].Order.Boot.At
	return rule != nil && newest > m.now.Boot-rule.Threshold.Window
}
