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
