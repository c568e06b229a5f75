package checks

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A full cgroup tells which pods have filled it; the classes that pods are in are no
// pods.
func TestWhoFillsACgroup(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "linux-6.8-sick")
	for path, n := range map[string]string{
		"": "30999", "kubepods-pod1.slice/": "7", "kubepods-pod1.slice/cri-containerd-2.scope/": "7",
		"kubepods-burstable.slice/": "30990", "kubepods-burstable.slice/kubepods-burstable-pod2.slice/": "30000",
		"kubepods-burstable.slice/kubepods-burstable-pod3\n.slice/": "990", "kubepods-besteffort.slice/": "0",
		"kubepods-burstable.slice/kubepods-burstable-pod2.slice/cri-containerd-1.scope/": "30000",
	} {
		tr.write(t, "sys/fs/cgroup/kubepods.slice/"+path+"pids.current", n)
	}
	require.Contains(t, told(tr.look(t, all(), "threads")), "threads /kubepods.slice problem: 30,999 threads of 31,000 (100 %) that pids.max of the cgroup "+
		`/kubepods.slice allows, limit 90 %: kubepods-burstable-pod2.slice 30,000, kubepods-burstable-pod3\n.slice 990, cri-containerd-2.scope 7, kubepods-besteffort.slice 0`)
}

// What is wrong with the file of a cgroup is told; what is not there is no cgroup.
func TestFilesOfCgroups(t *testing.T) {
	const dir = "sys/fs/cgroup/kubepods.slice/"
	for name, c := range map[string]struct {
		change func(*tree)
		want   string // of the rule threads; empty: nothing is said
	}{
		"no limit":       {func(tr *tree) { tr.write(t, dir+"pids.max", "max") }, "ok: 1,204 threads in the cgroup /kubepods.slice, which has no limit"},
		"gone":           {func(tr *tree) { tr.remove(t, dir) }, ""},
		"hostile number": {func(tr *tree) { tr.write(t, dir+"pids.max", "\x1b[2J") }, "unknown: "},
		"no count":       {func(tr *tree) { tr.write(t, dir+"pids.current", "many") }, "unknown: "},
		"a limit of 0":   {func(tr *tree) { tr.write(t, dir+"pids.max", "0") }, "ok: 1,204 threads of 0 (0 %)"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, "linux-6.8-cgroup2")
			c.change(tr)
			report := tr.look(t, all(), "threads")
			require.Equal(t, !strings.HasPrefix(c.want, "unknown"), report.Complete, "what is not seen is not gone")
			var got string
			for _, finding := range report.Findings {
				if finding.Rule == "checks/threads" && finding.Instance == "/kubepods.slice" {
					got = finding.State.String() + ": " + finding.Message
				}
			}
			if c.want == "" {
				require.Empty(t, got)
			} else {
				require.Contains(t, got, c.want)
				require.NotContains(t, got, "\x1b")
			}
		})
	}
}

// Where the host has cgroups and none can be seen, nothing is said to be well.
func TestCgroupsThatAreNotMounted(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	tr.remove(t, "sys/fs")
	report := tr.look(t, all(), "threads")
	require.Contains(t, told(report)[0], "threads cgroups unknown: the host's cgroups are not seen below ")
	require.False(t, report.Complete)
	require.Contains(t, report.Degraded.Remedy, "mount the host's /sys/fs/cgroup")
	tr.write(t, "proc/cgroups", "pids\t0\t1\t1")
	require.Nil(t, tr.look(t, all(), "threads").Degraded, "a host without cgroups has no limits of cgroups")
	tr.write(t, "proc/cgroups", "cpuset\t0\t100\t1")
	require.Nil(t, tr.look(t, all(), "threads").Degraded)
	tr.write(t, "proc/self/cgroup", "0::/\n")
	require.NotNil(t, tr.look(t, all(), "threads").Degraded)
	config := all()
	config.Threads.Cgroups = nil
	tr.write(t, "proc/cgroups", "pids\t0\t100\t1")
	require.Nil(t, tr.look(t, config, "threads").Degraded, "nobody asks")
}
