package main

import (
	"io"
	"testing"
)

// Lives in which something was wrong once, as short as they could be made. Which
// goroutine comes first is not always the same: each is lived several times.
func TestLivesThatWentWrong(t *testing.T) {
	lives := map[string][]simOp{
		"a line within the second of a recovery, and a kill before the state is written": {
			{"quiet", "", 0}, {"line", "up", 1}, {"line", "down", 1}, {"kill", "", 0}, {"pass", "", 1500},
		},
		"a renamed rule, and a kill before the Node is told": {
			{"line", "stuck", 0}, {"reload", "", 3}, {"kill", "", 0},
		},
		"a silence that is over when the wall clock is set back": {
			{"silence", "flaky", 94}, {"pass", "", 400_000}, {"quiet", "", 0}, {"line", "plain", 0}, {"pass", "", 20_000},
			{"wall", "-", 1033}, {"reboot", "power", 0}, {"burst", "flaky", 9},
		},
		"a rule renamed while the Node is waited for, and a restart": {
			{"api", "down", 0}, {"reboot", "kill", 0}, {"burst", "mixed", 3}, {"reload", "", 3}, {"fuse", "", 5}, {"wall", "-", 1948},
		},
	}
	for name, ops := range lives {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				if err := live(t, seed, ops, "", io.Discard); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}
