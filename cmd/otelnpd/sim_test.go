package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// simSeed replays one seed, and shows the agent's log.
var simSeed = flag.Int64("sim.seed", -1, "the seed of the one life to simulate; -1: many")

// sabotage breaks something on purpose, to see that the simulation finds it.
type sabotage string

const (
	positionAhead  sabotage = "a position that runs ahead of what was judged"
	conditionsLost sabotage = "the conditions are dropped at each start"
	healthyOnNode  sabotage = "the Node is told that all is well"
)

// live runs one life in a bubble. A goroutine that is left is an error too.
func live(t *testing.T, seed uint64, ops []simOp, broken sabotage, logs io.Writer) (err error) {
	t.Helper()
	dir := simDir(t)
	defer func() {
		_ = os.RemoveAll(dir)
		if left := recover(); left != nil {
			err = fmt.Errorf("the life did not end: %v", left)
		}
	}()
	synctest.Test(t, func(*testing.T) {
		w := newSimWorld(seed, dir, logs)
		w.sabotage = broken
		err = w.run(ops)
	})
	return err
}

// simDir is a directory in memory, where there is one: the marker of the boot is
// synced to it.
func simDir(t *testing.T) string {
	t.Helper()
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(base, "otelnpd-sim-") //nolint:usetesting // not on a disk
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// shrink leaves out of a life what its fault does not need.
func shrink(t *testing.T, seed uint64, ops []simOp, broken sabotage) []simOp {
	t.Helper()
	fails := func(ops []simOp) bool {
		for range 3 { // which goroutine comes first differs from time to time
			if live(t, seed, ops, broken, io.Discard) != nil {
				return true
			}
		}
		return false
	}
	for size := len(ops) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(ops); {
			if fewer := append(append([]simOp{}, ops[:at]...), ops[at+size:]...); fails(fewer) {
				ops = fewer
			} else {
				at += size
			}
		}
	}
	return ops
}

func printOps(ops []simOp) string {
	var text strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&text, "\t{%q, %q, %d},\n", op.do, op.what, op.n)
	}
	return text.String()
}

// report fails the test with what is needed to see it again.
func report(t *testing.T, seed uint64, err error) {
	t.Helper()
	few := shrink(t, seed, simOps(seed), "")
	again := live(t, seed, few, "", io.Discard)
	t.Errorf("seed %d: %v\nagain: go test ./cmd/otelnpd -run 'TestSimulation$' -sim.seed=%d\nshortest: %v\n%s",
		seed, err, seed, again, printOps(few))
}

// TestSimulation lets many agents live through kills, reboots, outages and reloads,
// and holds them against an oracle. OTELNPD_SOAK=1 does so for an hour,
// OTELNPD_SIM_SEEDS for so many seeds.
//
// The order of goroutines is no part of a seed. A life that goes wrong is lived again
// a few times: if it does so once more, the test fails, and where it is run for long,
// at once.
func TestSimulation(t *testing.T) {
	if *simSeed >= 0 {
		seed := uint64(*simSeed)
		var logs bytes.Buffer
		if err := live(t, seed, simOps(seed), "", &logs); err != nil {
			t.Log(logs.String())
			report(t, seed, err)
		}
		return
	}
	seeds, deadline := uint64(1000), time.Now().Add(40*time.Second)
	if os.Getenv("OTELNPD_SOAK") != "" {
		seeds, deadline = 1<<40, time.Now().Add(time.Hour)
	}
	if text := os.Getenv("OTELNPD_SIM_SEEDS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 40)
		if err != nil {
			t.Fatalf("OTELNPD_SIM_SEEDS=%q: %v", text, err)
		}
		seeds, deadline = n, time.Now().Add(24*time.Hour)
	}
	simulate(t, seeds, deadline)
}

func soak() bool { return os.Getenv("OTELNPD_SOAK") != "" || os.Getenv("OTELNPD_SIM_SEEDS") != "" }

// wrongAgain lives a life again that went wrong.
func wrongAgain(t *testing.T, seed uint64, ops []simOp) bool {
	t.Helper()
	for range 5 {
		if live(t, seed, ops, "", io.Discard) != nil {
			return true
		}
	}
	return false
}

func simulate(t *testing.T, seeds uint64, deadline time.Time) {
	t.Helper()
	var mu sync.Mutex
	next, lived, happened, faults := uint64(0), 0, 0, 0
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= seeds && faults < 3 && time.Now().Before(deadline)
	}
	t.Run("lives", func(t *testing.T) {
		for worker := range 2 {
			t.Run(strconv.Itoa(worker), func(t *testing.T) {
				t.Parallel()
				for seed, more := take(); more; seed, more = take() {
					ops := simOps(seed)
					err := live(t, seed, ops, "", io.Discard)
					if err != nil && !soak() && !wrongAgain(t, seed, ops) {
						t.Logf("seed %d went wrong once, and not again: %v", seed, err)
						err = nil
					}
					mu.Lock()
					lived, happened = lived+1, happened+len(ops)
					if err != nil {
						faults++
					}
					mu.Unlock()
					if err != nil {
						report(t, seed, err)
					}
				}
			})
		}
	})
	t.Logf("%d lives with %d ops", lived, happened)
}

// Each way to break the agent must be seen soon, or the oracle is blind.
func TestTheSimulationSeesWhatIsBroken(t *testing.T) {
	for _, broken := range []sabotage{positionAhead, conditionsLost, healthyOnNode} {
		t.Run(string(broken), func(t *testing.T) {
			for seed := range uint64(100) {
				if err := live(t, seed, simOps(seed), broken, io.Discard); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("nobody has noticed it")
		})
	}
}
