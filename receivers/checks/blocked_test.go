package checks

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	blockedStat   = "4711 (dd) D 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000"
	blockedStatus = "Name:\tdd\nvoluntary_ctxt_switches:\t100\nnonvoluntary_ctxt_switches:\t5\n"
)

// Only a process that has not run between looks is blocked; how long, nobody knows of
// one that was so at the first look.
func TestBlockedOverLooks(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	config := all()
	config.BlockedProcesses.Warn.Enter = 0
	run := checkOf(t, config, tr.settings(t), "blocked_processes").Run
	look := func(after time.Duration, want string) {
		t.Helper()
		tr.clock.Advance(after)
		require.Equal(t, []string{"blocked_processes - " + want}, told(run(t.Context())))
	}
	look(0, "ok: no process is blocked")
	tr.write(t, "proc/4711/stat", blockedStat)
	tr.write(t, "proc/4711/status", blockedStatus)
	tr.write(t, "proc/4711/cgroup", "0::/kubepods.slice\n")
	look(time.Minute, "ok: blocked processes: 1, the longest for 0 s at least")
	look(9*time.Minute, "between: blocked processes: 1, the longest for 540 s at least") // or 600
	look(time.Minute, "problem: blocked processes: 1, the longest for 600 s at least, limit 600 s: dd[4711] 600 s")
	tr.write(t, "proc/4711/status", strings.Replace(blockedStatus, "100", "101", 1))
	look(time.Minute, "ok: blocked processes: 1, the longest for 0 s at least")
	look(9*time.Minute, "between: blocked processes: 1, the longest for 540 s at least")
	tr.write(t, "proc/4711/stat", strings.Replace(blockedStat, "98765", "99999", 1)) // another with this pid
	look(time.Minute, "ok: blocked processes: 1, the longest for 0 s at least")
	tr.write(t, "proc/4711/stat", strings.Replace(blockedStat, "D", "S", 1))
	look(time.Minute, "ok: no process is blocked")
}

// After a restart of the agent a process that is blocked may have been so for long:
// that ends no problem.
func TestBlockedAtTheFirstLook(t *testing.T) {
	tr := newTree(t, "linux-3.10-cgroup1")
	run := checkOf(t, all(), tr.settings(t), "blocked_processes").Run
	require.Contains(t, told(run(t.Context())), "blocked_processes - between: blocked processes: 1, the longest for 0 s at least",
		"901 is frozen, 333 belongs to the kernel")
	tr.clock.Advance(10 * time.Minute)
	require.Contains(t, told(run(t.Context())),
		"blocked_processes - problem: blocked processes: 1, the longest for 600 s at least, limit 600 s: sync[902] 600 s")

	config := all()
	config.BlockedProcesses.KernelThreads = true
	run = checkOf(t, config, tr.settings(t), "blocked_processes").Run
	require.Contains(t, told(run(t.Context())), "blocked_processes - between: blocked processes: 2, the longest for 0 s at least")
}

func TestFreezerOf(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "/",
		"0::/kubepods.slice\n":                  "/",
		"3:freezer:/docker/abc\n":               "/docker/abc",
		"3:cpu,freezer,x:/a:b/../c\n0::/\n":     "/a:b/../c",
		"3:freezers:/a\n2:freezer:/../../etc\n": "/etc",
		"3:freezer":                             "/",
	} {
		require.Equal(t, path.Clean(want), freezerOf(text), text)
	}
}

func FuzzContextSwitches(f *testing.F) {
	f.Add(blockedStatus)
	f.Add("voluntary_ctxt_switches:\t18446744073709551615\nnonvoluntary_ctxt_switches:\t1")
	f.Add("voluntary_ctxt_switches:")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := contextSwitches(text); err == nil {
			require.Contains(t, text, "voluntary_ctxt_switches:")
		}
	})
}
