package condition

import (
	"maps"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// reload fits the state to another configuration. What a removed rule held goes
// to its heir; without one it ends, the single case where silence is health,
// because an operator said so.
func (m *step) reload() {
	for _, name := range slices.Sorted(maps.Keys(m.s.Types)) {
		if m.book.byType[name] == nil {
			m.dropType(name)
		}
	}
	m.fitRules()
	for _, t := range m.book.types {
		m.s.Delete = slices.DeleteFunc(m.s.Delete, func(name string) bool { return name == t.Name })
		ts := m.declare(t)
		removed := m.reloadCauses(t, ts)
		ts.Levels = t.levelIDs()
		if m.assess(t, ts).state == pipeline.StateOK && ts.Shown.State != pipeline.StateOK {
			ts.Removed = removed
		}
		m.show(t, ts, turn{
			uid:  pipeline.CauseUID("reload", m.s.Node, m.book.hash, t.Name),
			time: m.now.Wall, order: m.now.orderAt(m.now.Boot),
		})
	}
	for _, c := range m.s.Events.sorted() {
		if rule := m.book.byRule[c.Rule]; rule == nil || (rule.on != nil && !c.Silenced) {
			m.remove(m.s.Events, c)
		}
	}
	maps.DeleteFunc(m.s.Rules, func(id string, _ *RuleState) bool { return m.book.byRule[id] == nil })
	maps.DeleteFunc(m.s.Silences, func(id string, _ *Silence) bool { return m.book.byRule[id] == nil })
	m.s.ConfigHash = m.book.hash
	m.out.trace = traceChange
	m.rearm()
}

// dropType forgets a type that is no longer declared. If the Node may have it from
// us, it is to be deleted there.
func (m *step) dropType(name string) {
	ts := m.s.Types[name]
	for _, c := range ts.Causes.sorted() {
		m.remove(ts.Causes, c)
	}
	if ts.owned() {
		m.s.Delete = append(m.s.Delete, name)
	}
	delete(m.s.Types, name)
}

// reloadCauses hands on or ends the causes of a type whose rules are gone from
// it. It returns a rule that held the type and has no heir.
func (m *step) reloadCauses(t *bookType, ts *TypeState) (removed string) {
	for _, id := range ts.Levels {
		if rule := m.book.byRule[id]; rule == nil || rule.on != t {
			removed = id
		}
	}
	for _, c := range m.fitCauses(t, ts) {
		if c.active() {
			removed = c.Rule
		}
		m.remove(ts.Causes, c)
	}
	return removed
}

// fitCauses makes the causes of a type fit its rules, and hands on those of rules
// that are gone. It returns those that have no heir.
func (m *step) fitCauses(t *bookType, ts *TypeState) (orphans []*Cause) {
	for _, c := range ts.Causes.sorted() {
		if c.Rule == RestoredRule || c.Rule == OthersRule {
			continue
		}
		rule := m.book.byRule[c.Rule]
		if rule != nil && rule.on == t {
			m.refit(rule, c)
		} else if heir := t.heir(c); heir != nil {
			m.inherit(ts, c, heir)
		} else {
			orphans = append(orphans, c)
		}
	}
	return orphans
}

// heir finds the rule that takes over a cause of a removed one: the one that
// names it as its former self, else the only one with its reason.
func (t *bookType) heir(c *Cause) *bookRule {
	var same []*bookRule
	for _, rule := range t.rules {
		if slices.ContainsFunc(rule.Formerly, func(f Former) bool { return f.names(c) }) {
			return rule
		}
		if rule.Reason == c.Reason {
			same = append(same, rule)
		}
	}
	if len(same) != 1 {
		return nil
	}
	return same[0]
}

func (f Former) names(c *Cause) bool {
	if f.ID != "" {
		return f.ID == c.Rule && (f.Reason == "" || c.Reason == "" || f.Reason == c.Reason)
	}
	return f.Reason != "" && f.Reason == c.Reason
}

// inherit moves a cause to another rule, unless that holds the same already.
func (m *step) inherit(ts *TypeState, c *Cause, heir *bookRule) {
	m.remove(ts.Causes, c)
	key := c.Key
	key.Rule, key.FromNode = heir.ID, key.FromNode && !heir.Level
	if held := ts.Causes[key]; held != nil && (held.active() || !c.active()) {
		return
	} else if held != nil {
		m.remove(ts.Causes, held)
	}
	if c.Level != nil && heir.Level {
		m.s.rule(heir.ID).Spoken = true
	}
	c.Key = key
	ts.Causes[key] = c
	m.count(key, 1)
	m.refit(heir, c)
}

// refit makes a cause fit the rule as it is now.
func (m *step) refit(is *bookRule, c *Cause) {
	switch {
	case !is.Level:
		c.Level = nil
	case c.Level == nil:
		c.Level = &LevelState{}
	}
	if is.Level && c.State == pipeline.StateProblem {
		m.s.rule(is.ID).Spoken = true
	}
	if is.ttl() == 0 {
		c.Standing, c.Paused, c.Armed = false, 0, 0
		return
	}
	if c.active() && c.Armed == 0 {
		m.runTTL(is, c, c.Last.Boot.At)
	}
}

// deleted notes that a type is gone from the Node.
func (m *step) deleted(in *Deleted) {
	m.s.Delete = slices.DeleteFunc(m.s.Delete, func(name string) bool { return name == in.Type })
	m.out.trace = traceChange
}
