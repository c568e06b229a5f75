package condition

import (
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The oracle says what is true of a node, from the history of what happened on
// it, without the machine: it looks at each cause alone, as intervals of time,
// and joins them. It knows of no restart, no state and no Node.

// fact is something that happened. Its time is in seconds since boot A began, as
// if there were one clock over all boots.
type fact struct {
	kind     string // match, recovery, verdict, complete, clear, boot, degraded, well, reload
	rule     string
	instance string
	state    pipeline.State
	between  bool
	at       float64
	down     float64 // of a boot: when the one before ended
	uid      pipeline.UID
	// unanswered is set for an order that a kill would undo.
	unanswered bool
	// conditionType is what an operator cleared.
	conditionType string
	// rules are those that a reload leaves.
	rules map[string]bool
	// named are the instances of a complete run, bad whether it says more than ok.
	named map[string]finding
	bad   bool
}

// runOut returns when a ttl that began at from has run out: it stands still while
// the source is degraded.
func runOut(from, ttl float64, facts []fact) float64 {
	due, since, degraded := from+ttl, 0.0, false
	for _, f := range facts {
		switch f.kind {
		case "degraded":
			if !degraded && f.at < due {
				since, degraded = max(f.at, from), true
			}
		case "well":
			if degraded {
				due += max(0, f.at-since)
			}
			degraded = false
		}
	}
	if degraded {
		return forever
	}
	return due
}

// interval is a time in which a cause holds; to is 1e18 while it still does.
type interval struct {
	from, to float64
	state    pipeline.State
	uid      pipeline.UID
	// ofRun is set for what a check holds: what a run says is bad begins before what
	// it says is good ends.
	ofRun bool
}

const forever = 1e18

// causeHistory returns when a cause of a log rule held, up to now.
func causeHistory(rule *bookRule, instance string, facts []fact, now float64) []interval {
	var held []interval
	var hits []float64
	var last float64
	active := false
	end := func(at float64) {
		if active {
			held[len(held)-1].to = at
		}
		active = false
	}
	expire := func(at float64) {
		if ttl := rule.ttl().Seconds(); ttl > 0 && active {
			if due := runOut(last, ttl, facts); due <= at {
				end(due)
			}
		}
	}
	for _, f := range facts {
		if f.kind == "boot" {
			expire(f.down)
		} else {
			expire(f.at)
		}
		mine := f.rule == rule.ID
		switch {
		case f.kind == "match" && mine && f.instance == instance:
			if last = f.at; active {
				continue
			}
			hits = append(hits, f.at)
			hits = slices.DeleteFunc(hits, func(h float64) bool {
				return h <= f.at-rule.Threshold.Window.Seconds() && rule.Threshold.MinOccurrences > 1
			})
			if len(hits) >= max(1, rule.Threshold.MinOccurrences) {
				held = append(held, interval{from: f.at, to: forever, state: pipeline.StateProblem, uid: f.uid})
				active, hits = true, nil
			}
		case f.kind == "recovery" && mine && (f.instance == instance || f.instance == ""),
			f.kind == "clear" && f.conditionType == rule.Condition,
			rule.clear.By == ClearByCheck && f.rule == rule.clear.Check && f.clears(instance),
			f.kind == "reload" && !f.rules[rule.ID],
			f.kind == "boot" && !rule.latched():
			end(f.at)
			hits = nil
		}
	}
	expire(now)
	return held
}

// clears tells whether a fact is the ok of a check that ends a cause of the instance.
func (f *fact) clears(instance string) bool {
	switch f.kind {
	case "verdict":
		return f.state == pipeline.StateOK && !f.between && (f.instance == "" || f.instance == instance)
	case "complete":
		return !f.bad
	default:
		return false
	}
}

// levelHistory returns when the causes of a check held, and before them the time in
// which it had not spoken. Checks of the simulation have no thresholds, and never say
// unknown.
func levelHistory(rule *bookRule, instances []string, facts []fact, start float64) []interval {
	silent := interval{from: start, to: forever, state: pipeline.StateUnknown}
	for _, f := range facts {
		if f.rule == rule.ID && (f.kind == "verdict" || f.kind == "complete") {
			silent.to = f.at
			break
		}
	}
	held := []interval{silent}
	for _, instance := range instances {
		if rule.HasInstances == (instance != "") {
			held = append(held, findingHistory(rule, instance, facts)...)
		}
	}
	return held
}

func findingHistory(rule *bookRule, instance string, facts []fact) (held []interval) {
	isProblem := false
	for _, f := range facts {
		next := isProblem
		switch {
		case f.kind == "verdict" && f.rule == rule.ID && f.instance == instance && !f.between:
			next = f.state == pipeline.StateProblem
		case f.kind == "complete" && f.rule == rule.ID:
			_, named := f.named[instance]
			next = isProblem && named
		case f.kind == "clear" && f.conditionType == rule.Condition:
			next = false
		}
		switch {
		case next && !isProblem:
			held = append(held, interval{f.at, forever, pipeline.StateProblem, f.uid, true})
		case isProblem && !next:
			held[len(held)-1].to = f.at
		}
		isProblem = next
	}
	return held
}

// truth is how a type stands and since when, and which matches activated.
type truth struct {
	state       pipeline.State
	since       float64
	activations []interval
}

func truthOf(rules []*bookRule, instances []string, facts []fact, start, now float64) truth {
	var all []interval
	for _, rule := range rules {
		if rule.Level {
			all = append(all, levelHistory(rule, instances, facts, start)...)
			continue
		}
		for _, instance := range instances {
			if rule.HasInstances == (instance != "") {
				all = append(all, causeHistory(rule, instance, facts, now)...)
			}
		}
	}
	is := truth{since: start}
	at := func(when float64) pipeline.State {
		state := pipeline.StateOK
		for _, i := range all {
			if i.from <= when && when < i.to && state != pipeline.StateProblem {
				state = i.state
			}
		}
		return state
	}
	borders := []float64{start}
	for _, i := range all {
		if i.state == pipeline.StateProblem {
			is.activations = append(is.activations, i)
		}
		for _, border := range []float64{i.from, i.to} {
			if border > start && border <= now {
				borders = append(borders, border)
			}
		}
	}
	slices.Sort(borders)
	for i, border := range borders {
		state := at(border)
		through := slices.ContainsFunc(all, func(i interval) bool {
			return i.state == state && i.from < border && (border < i.to || (i.ofRun && border == i.to))
		})
		if i == 0 || state != is.state || (state == pipeline.StateProblem && !through && is.since < border) {
			is.state, is.since = state, border
		}
	}
	return is
}
