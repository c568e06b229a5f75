package npd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// declare gathers the conditions of all monitors that run, and fits their rules to
// them. Where several files list one, what the first says of it holds.
func (c *converter) declare() {
	first := map[string]healthy{}
	for _, m := range c.running() {
		for _, one := range m.conditions {
			earlier, twice := first[one.name]
			if twice {
				c.again(one, earlier)
				continue
			}
			first[one.name] = one
			c.declared = append(c.declared, one)
		}
	}
	for _, m := range c.running() {
		m.rules.rules = c.fitting(m, first)
	}
	c.idle()
	c.reserved()
	for _, m := range c.running() {
		if len(m.rules.rules) == 0 {
			m.standStill("no rule in it looks for anything")
		}
	}
	c.missing()
}

// running are the monitors that look for something.
func (c *converter) running() []*monitor {
	var list []*monitor
	for _, m := range c.monitors {
		if m.rules != nil {
			list = append(list, m)
		}
	}
	return list
}

// again warns of a condition that is listed a second time.
func (c *converter) again(one, earlier healthy) {
	switch {
	case one.at.source == earlier.at.source:
		one.at.warn("the condition %s is listed twice: the first counts", one.name)
	case one.reason != earlier.reason || one.message != earlier.message:
		one.at.warn("the condition %s is listed in %s too, with another reason or message: those of %s are told",
			one.name, shown(earlier.at.source.name), shown(earlier.at.source.name))
	}
}

// fitting returns the rules of a monitor that have a condition to act on, or need
// none. For node-problem-detector a rule acts on conditions of its own file alone,
// and does nothing, silently, where the file does not list it. Where another file
// does, the rule was meant to act, and so it does.
func (c *converter) fitting(m *monitor, declared map[string]healthy) []rule {
	var list []rule
	for _, one := range m.rules.rules {
		other, listed := declared[one.condition]
		switch {
		case one.condition == "" || lists(m.conditions, one.condition):
		case listed:
			one.named.warn("the condition %s is not listed in this file, and node-problem-detector does nothing at this rule; here it acts, since %s lists it",
				one.condition, shown(other.at.source.name))
		default:
			one.named.warn("the condition %s is not listed: the rule is left out, since node-problem-detector does nothing at it; list it under conditions", one.condition)
			continue
		}
		list = append(list, one)
	}
	return list
}

// idle warns of conditions that no rule uses.
func (c *converter) idle() {
	used := map[string]bool{}
	for _, m := range c.running() {
		for _, one := range m.rules.rules {
			used[one.condition] = true
		}
	}
	for _, one := range c.declared {
		if !used[one.name] {
			one.at.warn("no rule uses the condition %s: it stays healthy", one.name)
		}
	}
}

// reserved deals with conditions that belong to Kubernetes itself. They stay for
// running, where they are never told to the Node; in a file for people their rules
// make Events alone.
func (c *converter) reserved() {
	kept := c.declared[:0]
	for _, one := range c.declared {
		if condition.IsReserved(one.name) {
			one.at.warn("the condition %s belongs to Kubernetes itself: it is not told to the Node, but the rules' Events are; choose another type", one.name)
			if c.form == ForPrinting {
				continue
			}
		}
		kept = append(kept, one)
	}
	c.declared = kept
	if c.form == ForPrinting {
		c.eventsInstead()
	}
}

// eventsInstead makes Events of what rules of reserved conditions find.
func (c *converter) eventsInstead() {
	for _, m := range c.running() {
		for i := range m.rules.rules {
			one := &m.rules.rules[i]
			if condition.IsReserved(one.condition) {
				c.result.NotCarried = append(c.result.NotCarried, fmt.Sprintf(
					"the rule %s makes Events alone: its condition %s belongs to Kubernetes itself", one.id, one.condition))
				one.condition = ""
			}
		}
	}
}

// missing warns of what does not run, and of the conditions that nobody tells
// since.
func (c *converter) missing() {
	for _, m := range c.monitors {
		if m.missing == "" {
			continue
		}
		message := m.missing + ": this does not run"
		var untold []string
		for _, one := range m.conditions {
			if !lists(c.declared, one.name) && !slices.Contains(untold, one.name) {
				untold = append(untold, one.name)
			}
		}
		if len(untold) > 0 {
			message += ", and its conditions are not told: " + strings.Join(untold, ", ")
		}
		m.source.warnings = append(m.source.warnings, Warning{File: m.source.name, Message: message})
	}
}
