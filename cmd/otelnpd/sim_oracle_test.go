package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// simOracle says what is true of the node, from what has happened on it alone: it
// knows of no restart, no state file and no Node. What nobody can know any more, after
// the kernel's log was overwritten for example, is unsure.
type simOracle struct {
	world *simWorld

	mu       sync.Mutex
	variant  simVariant
	types    map[string]*simType
	causes   map[simCause]*simHolding
	quiet    map[string]time.Duration // rules that are silenced, until
	expected map[string]simExpected   // problems of rules that make events, by UID
	maybe    map[string]bool          // UIDs of problems and activations that nobody can be sure of
	turns    map[string]string        // UIDs of activations, with their type
	lines    []simJudged              // of this boot
	settled  int                      // how many of lines the agent has certainly judged
	lossless bool                     // nothing of this boot was overwritten unread
	operated bool                     // an operator or reload changed something in this boot
	wallMove bool
	lossy    bool // more may be lost than a kill loses
	// activations counts them: their order.
	activations uint64
	owned       map[string]time.Duration // since when the agent knows that a condition of the Node is its own
	aliveAt     time.Duration            // when the agent was seen to live last
	firmAt      time.Duration            // what is older is on the disk for certain
	fansAt      time.Duration            // when something else was found of the fans last
	slow        bool                     // one was slow then
	fansVague   bool                     // of what was found last the agent may not know
}

type simExpected struct {
	rule string
	line int
}

type simCause struct{ rule, instance string }

type simHolding struct {
	rule   simRule
	active bool
	since  uint64 // the order of its activation
	last   time.Duration
	boot   int
	hits   []time.Duration
	text   string
	reason string
}

// simType is how a condition stands.
type simType struct {
	problem   bool
	since     time.Time
	changed   time.Duration // on the node's own time
	timeKnown bool
	textKnown bool
	unsure    bool
	doubted   bool   // it was unsure once
	was       []bool // what it has been since the last look
}

type simJudged struct {
	kind     simKind
	instance string
	uids     []string
	types    []string
}

func newSimOracle(w *simWorld) *simOracle {
	o := &simOracle{
		world: w, variant: simVariants()[0], types: map[string]*simType{}, causes: map[simCause]*simHolding{},
		quiet: map[string]time.Duration{}, expected: map[string]simExpected{}, maybe: map[string]bool{}, turns: map[string]string{},
		owned: map[string]time.Duration{}, lossless: true,
	}
	for _, name := range o.variant.types() {
		o.types[name] = &simType{since: w.begun, timeKnown: true, textKnown: true, was: []bool{false}}
	}
	// A verdict's Event may be told again; and before the first one nothing is known.
	o.types[fanStopped].timeKnown, o.types[fanStopped].doubted = false, true
	return o
}

// line judges a line of the kernel's log.
func (o *simOracle) line(kind simKind, instance string, sequence uint64, at simStamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(at)
	judged := simJudged{kind: kind, instance: instance}
	for i := range o.variant.rules {
		rule := o.variant.rules[i]
		switch {
		case rule.matches == kind:
			o.match(rule, instance, sequence, at, &judged)
		case rule.recovers == kind && kind != "":
			judged.types = append(judged.types, rule.condition)
			o.end(simCause{rule.name(), instance}, at.wall, at.age)
		}
	}
	o.lines = append(o.lines, judged)
}

func (o *simOracle) match(rule simRule, instance string, sequence uint64, at simStamp, judged *simJudged) {
	until, quiet := o.quiet[rule.id]
	quiet = quiet && at.age <= until
	if quiet && rule.condition != "" {
		return
	}
	key := simCause{rule.name(), ""}
	if rule.instances {
		key.instance = instance
	}
	held := o.causes[key]
	if held == nil || (held.boot != o.world.boots && !held.active) {
		held = &simHolding{}
		o.causes[key] = held
	}
	held.rule, held.boot = rule, o.world.boots
	if rule.condition != "" {
		judged.types = append(judged.types, rule.condition)
	}
	if held.active {
		held.last = at.age
		return
	}
	held.hits = append(held.hits, at.age)
	held.hits = slices.DeleteFunc(held.hits, func(hit time.Duration) bool { return rule.least > 1 && hit <= at.age-simWindow })
	if len(held.hits) < max(1, rule.least) {
		return
	}
	held.hits = nil
	problem := pipeline.ProblemUID(simNode, simPlace(o.world.bootID(), sequence), rule.id)
	if rule.condition == "" {
		if !quiet {
			o.expected[problem.String()] = simExpected{rule: rule.id, line: len(o.lines)}
			judged.uids = append(judged.uids, problem.String())
		}
		return
	}
	o.activations++
	held.active, held.last, held.text, held.reason, held.since = true, at.age, rule.message(instance), rule.reason, o.activations
	turn := pipeline.TransitionUID(problem, rule.condition, pipeline.ConditionTrue).String()
	o.turns[turn] = rule.condition
	judged.uids = append(judged.uids, turn)
	o.settle(rule.condition, at.wall, at.age)
}

// end ends a cause at a time.
func (o *simOracle) end(key simCause, wall time.Time, age time.Duration) {
	held := o.causes[key]
	if held == nil {
		return
	}
	delete(o.causes, key)
	if held.rule.condition != "" {
		o.settle(held.rule.condition, wall, age)
	}
}

// settle looks how a condition stands now.
func (o *simOracle) settle(name string, wall time.Time, age time.Duration) {
	t := o.types[name]
	if t == nil {
		return
	}
	problem := false
	for _, held := range o.causes {
		problem = problem || (held.active && held.rule.condition == name)
	}
	if problem == t.problem {
		return
	}
	t.problem, t.since, t.changed, t.timeKnown = problem, wall, age, !t.unsure
	t.textKnown = t.textKnown || !problem
	t.was = append(t.was, problem)
}

// expire ends what has run out.
func (o *simOracle) expire(now simStamp) {
	for key, held := range o.causes {
		if held.rule.ttl == 0 || !held.active {
			continue
		}
		if due := held.last + held.rule.ttl; due <= now.age {
			o.end(key, now.wall.Add(due-now.age), due)
		}
	}
}

func (o *simOracle) pass(now simStamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(now)
}

// clear is an operator's.
func (o *simOracle) clear(name string, now simStamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(now)
	o.operated = true
	for key, held := range maps.Clone(o.causes) {
		if held.rule.condition == name {
			o.end(key, now.wall, now.age)
		}
	}
	if t := o.types[name]; t != nil && t.unsure {
		t.unsure, t.timeKnown, t.textKnown = false, false, true
	}
}

func (o *simOracle) silence(rule string, until time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.operated = true
	o.quiet[rule] = until
}

// reload brings another configuration.
func (o *simOracle) reload(variant int, now simStamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(now)
	o.operated = true
	o.variant = simVariants()[variant]
	byName := map[string]simRule{}
	for _, rule := range o.variant.rules {
		byName[rule.name()] = rule
	}
	for key, held := range maps.Clone(o.causes) {
		if key.rule == fanRule.id {
			continue
		}
		rule, stays := byName[key.rule]
		if !stays {
			o.end(key, now.wall, now.age)
			continue
		}
		held.rule = rule
	}
	declared := o.variant.types()
	for _, name := range simTypes() {
		if !slices.Contains(declared, name) {
			delete(o.types, name)
		} else if o.types[name] == nil {
			o.types[name] = &simType{since: now.wall, timeKnown: false, textKnown: true, doubted: !o.lossless, was: []bool{false}}
		}
	}
	maps.DeleteFunc(o.quiet, func(id string, _ time.Duration) bool {
		return !slices.ContainsFunc(o.variant.rules, func(r simRule) bool { return r.id == id })
	})
}

// boot begins another boot. Lines that the agent has not judged it never will; what
// it may have judged before it was killed is unsure.
func (o *simOracle) boot(at simStamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, line := range o.lines[o.settled:] {
		for _, uid := range line.uids {
			o.maybe[uid] = true
		}
		for _, name := range line.types {
			o.doubt(name)
		}
	}
	for _, t := range o.types {
		t.timeKnown = t.timeKnown && t.changed <= o.aliveAt
	}
	for id, until := range o.quiet {
		if o.wallMove && until > o.aliveAt {
			o.maybe[id] = true // nobody was there when it ended, and the wall clock does not tell
		}
	}
	late := map[string]bool{}
	for name, t := range o.types {
		late[name] = !t.timeKnown
	}
	for key, held := range maps.Clone(o.causes) {
		if held.active && (held.rule.latched || key.rule == fanRule.id) {
			continue
		}
		o.end(key, at.wall.Add(-at.boot), at.age)
	}
	for name, t := range o.types {
		t.timeKnown = t.timeKnown && !late[name]
		if t.unsure && name != "MachineCheck" && name != fanStopped {
			t.unsure, t.timeKnown, t.textKnown = false, false, true
		}
	}
	o.lines, o.settled, o.lossless, o.operated = nil, 0, true, o.silences(at)
}

// judged notes that the agent lives and has judged all lines so far, and that what
// is older than firm is on the disk.
func (o *simOracle) judged(now simStamp, firm time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled, o.aliveAt, o.firmAt = len(o.lines), now.age, max(o.firmAt, firm)
}

// shown is the reason and message of a condition that is a problem.
func (o *simOracle) shown(name string) (reason, message string) {
	var active []*simHolding
	for _, held := range o.causes {
		if held.active && held.rule.condition == name {
			active = append(active, held)
		}
	}
	if len(active) == 0 {
		return "No" + name, "all is well"
	}
	newest := slices.MaxFunc(active, func(x, y *simHolding) int { return cmp.Compare(x.since, y.since) })
	message = newest.text
	if len(active) > 1 {
		message += fmt.Sprintf(" (and %d more)", len(active)-1)
	}
	return newest.reason, message
}
