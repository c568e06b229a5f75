package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

// wipe loses the state, as where the disk was replaced.
func (w *simWorld) wipe() {
	onNode := map[string]bool{}
	for name, one := range w.cluster.conditions() {
		onNode[name] = one.Status == pipeline.ConditionTrue
	}
	w.disk = statetest.NewDisk()
	w.oracle.loseState(onNode)
}

// check holds what can be seen against the oracle. All goroutines of the agent wait.
func (w *simWorld) check() {
	now := w.stamp()
	w.oracle.pass(now)
	w.checkPatches()
	if life := w.alive; life != nil && life.agent != nil && !life.cutOff() {
		w.oracle.judged(now, w.firm(now))
		w.checkConsole()
		select {
		case <-life.agent.store.Settled():
			w.checkStore(life.agent.store.Conditions())
		default: // the Node is not known yet: what is told until then may be wrong, and says so
		}
	}
	w.oracle.looked()
}

// firm is up to when all that has happened is on the disk: what is older than a
// write may take, in the life of one process and on a disk that works.
func (w *simWorld) firm(now simStamp) time.Duration {
	const written, retried = 15 * time.Second, 45 * time.Second
	if w.diskMode != "ok" || now.age < w.alive.since+written || (w.diskBad > 0 && now.age < w.diskBad+retried) {
		return 0
	}
	return now.age - written
}

// looked begins a new time between two looks.
func (o *simOracle) looked() {
	for _, t := range o.types {
		t.was = append(t.was[:0], t.problem)
	}
}

// checkPatches sees to it that the Node was never told what was not so.
func (w *simWorld) checkPatches() {
	for _, patch := range w.cluster.takePatches() {
		w.oracle.own(patch, w.stamp())
		t := w.oracle.types[patch.condition.Type]
		if patch.deleted != "" || t == nil || t.unsure {
			continue
		}
		problem := patch.condition.Status == pipeline.ConditionTrue
		if !slices.Contains(t.was, problem) {
			w.fail("life %d told the Node that %s is %s (%s), and it was %v", patch.life, patch.condition.Type,
				patch.condition.Status, patch.condition.Reason, t.was)
		}
	}
}

// tellCauses shows what holds the conditions.
func (w *simWorld) tellCauses() {
	if w.alive != nil && w.alive.agent != nil {
		for _, view := range w.alive.agent.store.Views() {
			fmt.Fprintf(w.logs, "CONDITION %+v\n", view)
		}
	}
}

// checkStore compares the conditions of the agent.
func (w *simWorld) checkStore(all []pipeline.Condition) {
	if len(all) != len(w.oracle.types) {
		w.fail("the agent has %d conditions, and %d are declared", len(all), len(w.oracle.types))
	}
	for _, one := range all {
		t := w.oracle.types[one.Type]
		switch {
		case t == nil:
			w.fail("the condition %s is not declared", one.Type)
		case t.unsure:
			// nobody can know
		case (one.Status == pipeline.ConditionTrue) != t.problem:
			w.fail("%s is %s (%s: %s), and a problem: %v", one.Type, one.Status, one.Reason, one.Message, t.problem)
		case t.timeKnown && !w.oracle.wallMove && !one.LastTransitionTime.Equal(t.since.UTC().Truncate(time.Second)):
			w.fail("%s is %s since %s, and was so since %s", one.Type, one.Status, one.LastTransitionTime, t.since)
		case t.problem && t.textKnown:
			if reason, message := w.oracle.shown(one.Type); one.Reason != reason || one.Message != message {
				w.fail("%s shows %s: %s, and should show %s: %s", one.Type, one.Reason, one.Message, reason, message)
			}
		}
	}
}

// checkConsole sees to it that no problem was lost on its way to the console, and
// none made up.
func (w *simWorld) checkConsole() {
	seen := map[string]bool{}
	for _, line := range w.consoleLines() {
		switch {
		case line.Kind == "snapshot", line.Rule == "otelnpd/kmsg-records-lost":
		case line.Event == pipeline.EventProblem:
			seen[line.UID] = true
			if _, known := w.oracle.expected[line.UID]; !known && !w.oracle.excused(line.UID, line.Rule) {
				w.fail("the console tells of %s (%s), which did not happen", line.UID, line.Rule)
			}
		case line.Kind == "activation":
			seen[line.UID] = true
			t := w.oracle.types[line.Condition]
			if _, known := w.oracle.turns[line.UID]; !known && !w.oracle.excused(line.UID, line.Rule) && t != nil && !t.doubted {
				w.fail("the console tells of the activation %s (%s), which did not happen", line.UID, line.Rule)
			}
		}
	}
	for uid, problem := range w.oracle.expected {
		if !seen[uid] && !w.oracle.excused(uid, problem.rule) {
			w.fail("the console does not tell of %s (%s)", uid, problem.rule)
		}
	}
	for uid, name := range w.oracle.turns {
		if t := w.oracle.types[name]; !seen[uid] && !w.oracle.excused(uid, "") && t != nil && !t.doubted {
			w.fail("the console does not tell of the activation %s (%s)", uid, name)
		}
	}
}

// excused tells whether nobody can be sure of a problem.
func (o *simOracle) excused(uid, rule string) bool {
	return o.maybe["*"] || o.maybe[uid] || o.maybe[rule]
}

// checkEvents counts what the Events tell. It is exact while nothing could be lost
// but by kills, and the budgets let all through.
func (w *simWorld) checkEvents() {
	happened, told := 0, 0
	for uid, problem := range w.oracle.expected {
		if w.oracle.excused(uid, problem.rule) {
			return
		}
		if problem.rule == oops.id {
			happened++
		}
	}
	for _, event := range w.cluster.allEvents() {
		if event.Reason == oops.reason {
			told += int(event.Count)
		}
	}
	const burst = 25
	exact := !w.oracle.lossy && !w.oracle.wallMove && happened <= burst && w.age() < time.Hour
	// Without state, what an older series has counted is counted anew.
	if (told > happened && !w.oracle.lossy) || (exact && told < happened) {
		w.fail("Events tell of %d occurrences of %s, and there were %d", told, oops.reason, happened)
	}
}

// checkAtRest compares the Node with the agent: the API server has been up for long
// enough.
func (w *simWorld) checkAtRest() {
	w.check()
	life := w.alive
	if life == nil || life.cutOff() {
		return
	}
	select {
	case <-life.agent.store.Settled():
	default:
		w.fail("the agent has not settled, though the Node can be read")
		return
	}
	w.checkEvents()
	node := w.cluster.conditions()
	for _, one := range life.agent.store.Conditions() {
		is, told := node[one.Type]
		if !told || is.Status != one.Status || is.Reason != one.Reason || is.Message != one.Message || !is.LastTransitionTime.Equal(one.LastTransitionTime) {
			w.fail("the Node says %+v, and the agent %+v", is, one)
		}
		delete(node, one.Type)
	}
	for name := range node {
		if w.oracle.maybe["owned "+name] {
			continue
		}
		w.fail("the Node still has the condition %s, which is not declared", name)
	}
	if last := node["Ready"]; last.Status != "" {
		w.fail("the condition Ready is not ours")
	}
}
