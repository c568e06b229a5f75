package condition

import (
	"github.com/otelnpd/otelnpd/pipeline"
)

// advanceBoot makes the current boot the state's own, and tells whether it was
// another before.
func (m *step) advanceBoot() (advanced bool) {
	if m.s.Boot.ID == m.now.Current.ID {
		return false
	}
	m.s.Boots = append(m.s.Boots, m.s.Boot)
	if len(m.s.Boots) > maxBoots {
		m.s.Boots = m.s.Boots[1:]
	}
	m.s.Boot = BootSpan(m.now.Current)
	for _, t := range m.book.types {
		m.s.Types[t.Name].Pin = nil // no line of the boot before comes any more
	}
	m.carrySilences()
	m.s.Latest = m.now.Boot
	return true
}

// newBoot ends every cause of earlier boots, whatever clears it, but latched
// ones and those of checks. Each type tells of it once, if its status changed.
// Where the boot has not advanced, only the types are concerned of which the Node
// has just told how they stood in an earlier one.
func (m *step) newBoot(types []*bookType, advanced bool) {
	for _, t := range types {
		ts := m.s.Types[t.Name]
		for _, c := range ts.Causes.sorted() {
			m.bootCause(t, ts, c)
		}
		if advanced {
			ts.Update, ts.UpdatedAt, ts.Removed = nil, 0, ""
		}
		m.show(t, ts, turn{
			uid: pipeline.CauseUID("boot", m.s.Boot.ID, t.Name), time: m.now.Current.Start, order: m.now.orderAt(0),
			silent: m.assess(t, ts).state == pipeline.StateProblem, // a boot makes no problem: it is older news
		})
	}
	if advanced {
		m.bootEvents()
	}
	m.out.trace = traceChange
	m.rearm()
}

// bootEvents puts what rules without a condition had gathered under its boot.
func (m *step) bootEvents() {
	for _, c := range m.s.Events.sorted() {
		if c.Level != nil {
			m.forgetStreak(c)
		} else if c.Boot == "" && c.boot() != m.s.Boot.ID {
			m.archive(m.s.Events, c)
		}
	}
}

// boot returns the boot of the newest that a cause remembers.
func (c *Cause) boot() string {
	switch {
	case len(c.Hits) > 0:
		return c.Hits[len(c.Hits)-1].Order.Boot.ID
	case c.Cleared != (pipeline.Order{}) && !c.active():
		return c.Cleared.Boot.ID
	default:
		return c.Last.Boot.ID
	}
}

func (m *step) bootCause(t *bookType, ts *TypeState, c *Cause) {
	rule := m.book.byRule[c.Rule]
	switch {
	case c.Boot != "" || (c.boot() == m.s.Boot.ID && c.Level == nil):
	case c.Rule == OthersRule:
		if !t.latched && len(t.levels) == 0 {
			m.remove(ts.Causes, c)
		}
	case c.Instance == OtherInstance || rule == nil || rule.on != t:
		m.remove(ts.Causes, c)
	case c.Level != nil:
		m.forgetStreak(c)
	case rule.latched():
		m.archiveHits(ts, c)
	case c.FromNode:
		m.remove(ts.Causes, c)
	default:
		m.archive(ts.Causes, c)
	}
}

// forgetStreak lets a check start anew; what it holds stays until its first
// verdict.
func (m *step) forgetStreak(c *Cause) {
	if c.Level.Start.ID != m.s.Boot.ID {
		*c.Level = LevelState{}
	}
}

// archive puts a cause under the key of its boot, whose last lines may still
// come: there it goes on, but holds nothing.
func (m *step) archive(causes Causes, c *Cause) {
	m.remove(causes, c)
	if c.State == pipeline.StateOK && len(c.Hits) == 0 {
		return
	}
	c.Key.Boot = c.boot()
	if _, taken := causes[c.Key]; taken {
		return
	}
	c.Standing = false
	causes[c.Key] = c
	m.count(c.Key, 1)
}

// archiveHits puts what a latched rule had gathered under the key of its boot.
func (m *step) archiveHits(ts *TypeState, c *Cause) {
	if len(c.Hits) == 0 || c.boot() == m.s.Boot.ID {
		return
	}
	key := Key{Rule: c.Rule, Instance: c.Instance, Boot: c.boot()}
	if _, taken := ts.Causes[key]; !taken {
		m.add(ts.Causes, key).Hits = c.Hits
	}
	c.Hits = nil
}
