package condition

import (
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// hit gathers a match and tells whether the rule fires: its threshold's number
// of matches within a window (t - w, t] of the order of records. It does not
// matter in which order they came. What fired is taken out.
func (m *step) hit(rule *bookRule, c *Cause, order pipeline.Order, uid pipeline.UID) (count int, fires bool) {
	need := rule.Threshold.MinOccurrences
	if need <= 1 {
		return 1, true
	}
	if slices.Contains(c.Fired, uid) || slices.ContainsFunc(c.Hits, func(h Hit) bool { return h.UID == uid }) {
		m.out.Dropped = DropRepeated
		return 0, false
	}
	m.gather(rule, c, Hit{Order: order, UID: uid})
	for last := need - 1; last < len(c.Hits); last++ {
		span := c.Hits[last].Order.Boot.At - c.Hits[last-need+1].Order.Boot.At
		if span < rule.Threshold.Window {
			count = len(c.Hits)
			m.spend(c)
			return count, true
		}
	}
	return 0, false
}

// gather puts a hit in its place and forgets those that have left the window.
func (m *step) gather(rule *bookRule, c *Cause, hit Hit) {
	at, _ := slices.BinarySearchFunc(c.Hits, hit, func(x, y Hit) int {
		if x.Order.Boot.At <= y.Order.Boot.At {
			return -1 // behind those of the same instant
		}
		return 1
	})
	c.Hits = slices.Insert(c.Hits, at, hit)
	oldest := c.Hits[len(c.Hits)-1].Order.Boot.At - rule.Threshold.Window
	c.Hits = slices.DeleteFunc(c.Hits, func(h Hit) bool { return h.Order.Boot.At <= oldest })
}

// spend empties the window, and keeps the identities to know a replay by.
func (m *step) spend(c *Cause) {
	c.Fired = c.Fired[:0]
	for i := range c.Hits {
		c.Fired = append(c.Fired, c.Hits[i].UID)
	}
	c.Hits = c.Hits[:0]
	m.s.freed++
}

// dropHits forgets what was gathered up to an order.
func (m *step) dropHits(c *Cause, upTo pipeline.Order) {
	n := len(c.Hits)
	c.Hits = slices.DeleteFunc(c.Hits, func(h Hit) bool { return m.s.compare(h.Order, upTo) <= 0 })
	if len(c.Hits) < n {
		m.s.freed++
	}
}
