package main

import (
	"slices"
	"time"
)

// What nobody can know any more.

// lose tells of lines that were overwritten before a process could read them. An
// earlier one may have.
func (o *simOracle) lose(first, lost uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lossless, o.lossy = false, true
	for name, t := range o.types {
		if t.problem {
			o.doubt(name) // causes that the Node counts and nobody names any more stay
		}
	}
	for _, line := range o.lines[min(first, uint64(len(o.lines))):min(first+lost, uint64(len(o.lines)))] {
		for _, uid := range line.uids {
			o.maybe[uid] = true
		}
		for _, name := range line.types {
			o.doubt(name)
		}
		if line.kind == "flaky" {
			o.loseHits("flaky")
		}
	}
}

// loseHits makes all further problems of a rule with a threshold unsure.
func (o *simOracle) loseHits(rule string) { o.maybe[rule] = true }

// doubt makes a condition unsure.
func (o *simOracle) doubt(name string) {
	if t := o.types[name]; t != nil {
		t.unsure, t.doubted, t.timeKnown, t.textKnown = true, true, false, false
	}
}

func (o *simOracle) knows(rule string) bool {
	return slices.ContainsFunc(o.variant.rules, func(r simRule) bool { return r.id == rule })
}

// stepWall makes all times of transitions unsure, and with them whatever depends on
// which of two is later.
func (o *simOracle) stepWall() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wallMove = true
}

// losePower makes unsure what was judged so shortly ago that it may be neither on
// the disk nor on the Node.
func (o *simOracle) losePower() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lossy = o.lossy || o.firmAt <= o.aliveAt
	for name, t := range o.types {
		if t.changed >= o.firmAt && t.changed > 0 {
			o.doubt(name)
		}
	}
}

// loseState tells that the state is gone. In the same boot the kernel's log still
// tells all, unless it was overwritten or an operator had a say; for the rest there
// is the Node, if it knows.
func (o *simOracle) loseState(onNode map[string]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lossy = true
	for _, name := range simTypes() {
		o.maybe["owned "+name] = true // it is not known who has written them
		delete(o.owned, name)
	}
	for name, t := range o.types {
		t.textKnown = t.textKnown && !t.problem
		t.doubted = t.doubted || t.problem // whichever line confirms what the Node says makes its Event
		t.timeKnown = false
		if name == fanStopped && o.slow {
			o.doubt(name)
		}
		if problem, told := onNode[name]; o.operated || !o.lossless || o.wallMove || (name == "MachineCheck" && t.problem != (told && problem)) {
			o.doubt(name)
		}
	}
	if o.operated || !o.lossless {
		o.forgetful()
	}
	o.quiet = map[string]time.Duration{}
}

// forgetful makes the problems that this boot's lines tell of unsure: they are
// judged anew, by what is the configuration now.
func (o *simOracle) forgetful() {
	o.maybe["*"] = true
}

// begin tells that a process starts, with or without state. By the wall clock alone
// nobody can tell what came after what the Node says, once it has stepped.
func (o *simOracle) begin(stateless bool, onNode map[string]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.types {
		if o.wallMove && t.problem { // nor which came last, and which of its lines the Node stands for
			t.textKnown, t.doubted = false, true
		}
	}
	if !stateless {
		return
	}
	for name, t := range o.types {
		if o.wallMove {
			o.doubt(name)
		}
		t.doubted = t.doubted || t.problem // whichever line confirms what the Node says makes its Event
		// Without state and without the Node a status begins with the process.
		t.timeKnown = t.timeKnown && onNode[name]
	}
}

// firm tells that all up to now is on the disk.
func (o *simOracle) firm(now simStamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.firmAt = now.age + 1
}

// silences tells whether a rule is silenced.
func (o *simOracle) silences(now simStamp) bool {
	for _, until := range o.quiet {
		if until >= now.age {
			return true
		}
	}
	return false
}

// own notes what the agent was told of the Node's conditions: that it has written
// one, or deleted it.
func (o *simOracle) own(patch simPatch, now simStamp) {
	if patch.deleted != "" {
		delete(o.owned, patch.deleted)
		return
	}
	name := patch.condition.Type
	if !patch.sure {
		return
	}
	delete(o.maybe, "owned "+name)
	if _, known := o.owned[name]; !known {
		o.owned[name] = now.age
	}
}

// kill makes unsure which conditions of the Node the next process takes for its own:
// of one that was first written just now it knows nothing.
func (o *simOracle) kill() {
	for name, since := range o.owned {
		if since >= o.firmAt {
			o.maybe["owned "+name] = true
			delete(o.owned, name)
		}
	}
}
