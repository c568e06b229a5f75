package checks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Kills in a cgroup are told by themselves, of both versions, from the second look on.
func TestOOMKillsInCgroups(t *testing.T) {
	for version, c := range map[string]struct{ tree, file, first, second string }{
		"2": {"linux-6.8-cgroup2", "sys/fs/cgroup/system.slice/memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 3\noom_group_kill 0", "oom 5\noom_kill 5"},
		"1": {
			"linux-3.10-cgroup1", "sys/fs/cgroup/memory/system.slice/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
			"oom_kill_disable 0\nunder_oom 0\noom_kill 5",
		},
	} {
		t.Run(version, func(t *testing.T) {
			tr := newTree(t, c.tree)
			tr.write(t, "proc/vmstat", "oom_kill 30")
			config := all()
			config.OOMKills.Cgroups = []string{"system.slice", "does-not-exist"}
			run := checkOf(t, config, tr.settings(t), "oom_kills").Run
			tr.write(t, c.file, c.first)
			_ = run(t.Context())
			tr.write(t, c.file, c.second)
			tr.clock.Advance(time.Minute)
			report := run(t.Context())
			require.True(t, report.Complete)
			require.Equal(t, []string{
				"oom_kills/warn - between: 0 processes were killed for want of memory in 1m0s",
				"oom_kills/warn /system.slice problem: 2 processes were killed for want of memory in the cgroup /system.slice in 1m0s, limit 1",
			}, told(report))
			tr.write(t, c.file, "oom_kill_disable 0")
			report = run(t.Context())
			require.False(t, report.Complete)
			require.Contains(t, told(report)[1], "/system.slice unknown: read ")
		})
	}
}

// A container's cgroups are not the host's.
func TestOOMKillsInCgroupsThatAreNotSeen(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "container")
	config := all()
	config.OOMKills.Cgroups = []string{"system.slice"}
	report := tr.look(t, config, "oom_kills")
	require.Contains(t, told(report)[1], "/system.slice unknown: ")
	require.Contains(t, report.Degraded.Remedy, "mount the host's /sys/fs/cgroup")
}
