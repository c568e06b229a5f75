package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing/synctest"
	"time"
)

// simOp is one thing that happens. How it happens is in its numbers, so that a list
// of them, also with some left out, can be played again.
type simOp struct {
	do   string
	what string
	n    int
}

func (o simOp) String() string {
	return strings.TrimRight(fmt.Sprintf("%s %s %d", o.do, o.what, o.n), " ")
}

// simWeights say how often what happens.
var simWeights = []struct {
	weight int
	make   func(r *rand.Rand) simOp
}{
	{14, func(r *rand.Rand) simOp {
		return simOp{"line", pick(r, "down", "up", "down", "up", "hot", "stuck", "check"), r.IntN(3)}
	}},
	{8, func(r *rand.Rand) simOp { return simOp{"line", pick(r, "oops", "extra", "plain"), r.IntN(3)} }},
	{5, func(r *rand.Rand) simOp { return simOp{"line", pick(r, "slow", "flaky"), r.IntN(2)} }},
	{6, func(r *rand.Rand) simOp {
		return simOp{"burst", pick(r, "slow", "flaky", "oops", "mixed", "mixed"), 2 + r.IntN(8)}
	}},
	{8, func(r *rand.Rand) simOp {
		return simOp{"fan", pick(r, "stopped", "slow", "well", "gone"), r.IntN(3)}
	}},
	{3, func(r *rand.Rand) simOp { return simOp{"clear", pick(r, simTypes()...), 0} }},
	{2, func(r *rand.Rand) simOp {
		return simOp{"silence", pick(r, "disk-down", "stuck", "oops", "flaky"), 10 + r.IntN(200)}
	}},
	{5, func(r *rand.Rand) simOp { return simOp{"reload", "", r.IntN(len(simVariants()))} }},
	{5, func(r *rand.Rand) simOp { return simOp{"api", pick(r, "up", "up", "down", "flaky", "slow"), 0} }},
	{3, func(r *rand.Rand) simOp { return simOp{"disk", pick(r, "ok", "ok", "full", "stall"), 0} }},
	{5, func(*rand.Rand) simOp { return simOp{"kill", "", 0} }},
	{8, func(r *rand.Rand) simOp { return simOp{"fuse", "", 1 + r.IntN(12)} }},
	{3, func(*rand.Rand) simOp { return simOp{"stop", "", 0} }},
	{2, func(*rand.Rand) simOp { return simOp{"wipe", "", 0} }},
	{2, func(r *rand.Rand) simOp { return simOp{"reboot", pick(r, "stop", "kill", "wipe"), 0} }},
	{2, func(*rand.Rand) simOp { return simOp{"reboot", "power", 0} }},
	{12, func(*rand.Rand) simOp { return simOp{"start", "", 0} }},
	{1, func(r *rand.Rand) simOp { return simOp{"wall", pick(r, "+", "-"), 1 + r.IntN(4000)} }},
	{2, func(r *rand.Rand) simOp { return simOp{"suspend", "", 1 + r.IntN(600)} }},
	{14, func(r *rand.Rand) simOp { return simOp{"pass", "", pick(r, 200, 1500, 5000, 20_000, 130_000, 400_000)} }},
	{6, func(*rand.Rand) simOp { return simOp{"quiet", "", 0} }},
}

func pick[E any](r *rand.Rand, from ...E) E { return from[r.IntN(len(from))] }

func simOps(seed uint64) []simOp {
	r := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for _, w := range simWeights {
		total += w.weight
	}
	ops := make([]simOp, 0, 60)
	for range 20 + r.IntN(40) {
		at := r.IntN(total)
		for _, w := range simWeights {
			if at -= w.weight; at < 0 {
				ops = append(ops, w.make(r))
				break
			}
		}
	}
	return ops
}

// run lets a life happen and looks after each op.
func (w *simWorld) run(ops []simOp) error {
	w.start()
	for i, op := range append(ops, simOp{do: "start"}, simOp{do: "quiet"}) {
		synctest.Wait()
		w.check()
		if w.fault == nil {
			time.Sleep(7 * time.Millisecond)
			fused := w.alive != nil && w.alive.fused()
			w.apply(op)
			synctest.Wait()
			if fused {
				w.kill()
			}
			w.check()
		}
		if w.fault != nil {
			w.fault = fmt.Errorf("op %d (%s): %w", i, op, w.fault)
			w.tellCauses()
			break
		}
	}
	w.stop()
	return w.fault
}

// apply lets an op happen. What needs an agent, or a disk that works, is left out
// where there is none.
func (w *simWorld) apply(op simOp) {
	running, ok := w.alive != nil, w.diskMode == "ok"
	switch op.do {
	case "line":
		w.write(simKind(op.what), op.n)
	case "burst":
		w.burst(op)
	case "fan":
		w.turnFan(op)
	case "pass":
		w.pass(time.Duration(op.n) * time.Millisecond)
	case "api":
		w.cluster.setMode(op.what)
	case "disk":
		w.setDisk(op.what)
	case "start":
		if !running {
			w.start()
		}
	case "kill", "wipe":
		w.kill()
		if op.do == "wipe" {
			w.wipe()
		}
	case "stop":
		w.stop()
	case "reboot":
		w.rebootBy(op.what)
	case "fuse":
		if running {
			w.alive.light(op.n)
		}
	case "wall", "suspend":
		w.moveClocks(op)
	case "quiet":
		w.quiet()
	default:
		if running && ok && !w.alive.fused() {
			w.operate(op)
		}
	}
}

func (w *simWorld) write(kind simKind, n int) {
	instance := fmt.Sprintf("d%d", n)
	text := strings.ReplaceAll(simMessages[kind], "{dev}", instance)
	switch kind {
	case "up":
		text = "disk " + instance + " is up"
	case "plain":
		text = "nothing of note"
	}
	at := w.stamp()
	w.mu.Lock()
	boot := w.bootID()
	w.mu.Unlock()
	w.oracle.line(kind, instance, uint64(len(w.ring.lines)), at)
	w.ring.write(simLine{kind: kind, text: text, at: at, boot: boot})
}

func (w *simWorld) burst(op simOp) {
	kinds := []simKind{"down", "oops", "up", "stuck", "plain", "hot", "slow", "check"}
	for i := range op.n {
		kind := simKind(op.what)
		if op.what == "mixed" {
			kind = kinds[(i*3+op.n)%len(kinds)]
		}
		w.write(kind, i%2)
		time.Sleep(time.Duration(i%3) * time.Millisecond) // at times at one instant
	}
}

func (w *simWorld) pass(d time.Duration) {
	time.Sleep(d)
	w.oracle.pass(w.stamp())
}

func (w *simWorld) rebootBy(how string) {
	switch how {
	case "stop":
		w.stop()
	default:
		w.kill()
	}
	w.oracle.losePower()
	w.reboot(how == "power")
	if how == "wipe" {
		w.wipe()
	}
	w.start()
}

// moveClocks steps the wall clock, or suspends the machine. The timers of the agent
// find out within a minute.
func (w *simWorld) moveClocks(op simOp) {
	d := time.Duration(op.n) * time.Second
	if op.do == "wall" && w.oracle.silences(w.stamp()) {
		return // silences outlive a boot by the wall clock
	}
	w.mu.Lock()
	switch {
	case op.do == "suspend":
		w.slept += d
	case op.what == "-":
		w.stepped -= d
	default:
		w.stepped += d
	}
	w.mu.Unlock()
	if op.do == "wall" {
		w.oracle.stepWall()
		return
	}
	w.pass(61 * time.Second)
}

// operate is what an operator does. The answer says that it is on disk.
func (w *simWorld) operate(op simOp) {
	ctx := context.Background()
	var note string
	var err error
	switch op.do {
	case "clear":
		if w.oracle.types[op.what] == nil {
			return
		}
		w.oracle.clear(op.what, w.stamp())
		answer, failed := w.alive.agent.clear(ctx, op.what, fmt.Sprint("request at ", w.stamp().age))
		note, err = answer.Note, failed
	case "silence":
		if w.oracle.wallMove || !w.oracle.knows(op.what) {
			return
		}
		lasting := time.Duration(op.n) * time.Second
		w.oracle.silence(op.what, w.stamp().age+lasting)
		answer, failed := w.alive.agent.silence(ctx, op.what, lasting, "request")
		note, err = answer.Note, failed
	case "reload":
		w.mu.Lock()
		w.variant = op.n
		w.mu.Unlock()
		w.oracle.reload(op.n, w.stamp())
		answer, failed := w.alive.agent.reload(ctx, "the simulation")
		note, err = answer.Note, failed
	}
	if err != nil || (note != "" && w.cluster.mode == "up") {
		w.fail("%s: %v %s", op, err, note)
	}
	w.oracle.pass(w.stamp())
}

// quiet lets all that is under way come to rest, and looks closely.
func (w *simWorld) quiet() {
	if w.alive == nil || w.alive.fused() {
		return
	}
	w.cluster.setMode("up")
	w.setDisk("ok")
	w.pass(90 * time.Second)
	synctest.Wait()
	w.checkAtRest()
}
