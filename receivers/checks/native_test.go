package checks

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what is expected anew")

// What the checks of processes and memory say of recorded nodes, and what they are
// missing there.
func TestRecordedNodes(t *testing.T) {
	checkRecorded(t, map[string][]string{
		"linux-6.8-cgroup2":  {"linux-6.8-cgroup2"},
		"linux-6.8-sick":     {"linux-6.8-cgroup2", "linux-6.8-sick"},
		"linux-3.10-cgroup1": {"linux-3.10-cgroup1"},
		"container":          {"linux-6.8-cgroup2", "container"},
	}, func(name string) bool { return !isOfDevices(name) })
}

// What the checks of disks, networks and hardware say.
func TestRecordedDevices(t *testing.T) {
	checkRecorded(t, map[string][]string{
		"devices-6.12":      {"linux-6.8-cgroup2", "devices-6.12"},
		"devices-6.12-sick": {"linux-6.8-cgroup2", "devices-6.12", "devices-6.12-sick"},
		"devices-3.10":      {"linux-3.10-cgroup1", "devices-3.10"},
		"devices-container": {"linux-6.8-cgroup2", "devices-6.12", "container"},
		"devices-nothing":   {"linux-6.8-cgroup2"},
	}, isOfDevices)
}

// isOfDevices tells whether a check is one of those from disk_space on.
func isOfDevices(name string) bool {
	entries := all().entries()
	at := func(name string) int {
		return slices.IndexFunc(entries, func(e entry) bool { return e.name == name })
	}
	return at(name) >= at("disk_space")
}

func checkRecorded(t *testing.T, nodes map[string][]string, wants func(name string) bool) {
	t.Helper()
	for name, trees := range nodes {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, trees...)
			var lines []string
			for _, one := range all().entries() {
				if !wants(one.name) {
					continue
				}
				report := tr.look(t, all(), one.name)
				lines = append(lines, told(report)...)
				if report.Degraded != nil {
					lines = append(lines, "degraded: "+report.Degraded.Reason, "  remedy: "+report.Degraded.Remedy)
				}
			}
			got := strings.NewReplacer(tr.dir, "HOST", fmt.Sprintf("user %d ", os.Geteuid()), "user UID ").Replace(strings.Join(lines, "\n") + "\n")
			golden := "testdata/" + name + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// A stall is the node's only while memory is short.
func TestMemoryStallOfOneContainer(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	tr.write(t, "proc/pressure/memory", "some avg10=90.00 avg60=80.00 avg300=60.00 total=1\nfull avg10=90.00 avg60=70.00 avg300=60.00 total=1")
	config := all()
	config.MemoryStall.Warn.Enter = 0
	require.Equal(t, []string{"memory_stall - ok: for 70 % of the last minute all work waited for memory, of which 60 % are available"},
		told(tr.look(t, config, "memory_stall")))
	config.MemoryStall.AvailableBelow = 101
	require.Equal(t, []string{"memory_stall - problem: for 70 % of the last minute all work waited for memory, of which 60 % are available, limit 50 %: " +
		"MiB of java[4711] 1,840, containerd[711] 277, kubelet[700] 273"}, told(tr.look(t, config, "memory_stall")))
}

// A node that has given its memory to huge pages has little left by nature.
func TestMemoryStallBesideHugePages(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	tr.write(t, "proc/pressure/memory", "some avg10=90.00 avg60=80.00 avg300=60.00 total=1\nfull avg10=90.00 avg60=70.00 avg300=60.00 total=1")
	config := all()
	config.MemoryStall.Warn.Enter = 0
	for huge, want := range map[string]string{"0": "problem", "900000": "ok", "1100000": "ok"} {
		tr.write(t, "proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 50000 kB\nHugetlb: "+huge+" kB")
		require.Contains(t, told(tr.look(t, config, "memory_stall"))[0], "memory_stall - "+want, huge)
	}
	tr.write(t, "proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 5000 kB\nHugetlb: 900000 kB")
	require.Contains(t, told(tr.look(t, config, "memory_stall"))[0], "memory_stall - problem", "what is left is short")
}

// The kernel's threads and processes that have ended have no files of their own.
func TestProcessesWithoutFiles(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "linux-6.8-sick")
	config := all()
	config.ProcessFileDescriptors.Names = []string{"*"}
	config.ProcessFileDescriptors.Warn.Enter = 0
	for _, pid := range []string{"1", "700", "4711", "5000", "5001"} {
		tr.remove(t, "proc/"+pid)
	}
	report := tr.look(t, config, "process_file_descriptors")
	require.True(t, report.Complete)
	require.Equal(t, []string{
		"process_file_descriptors containerd[711] problem: containerd[711] has 5 open files of 5 (100 %) that its limit allows, limit 95 %",
	}, told(report))
	tr.write(t, "proc/2/limits", "Max open files            1                    1                    files")
	require.NoError(t, os.MkdirAll(tr.path("proc/2/fd/1"), 0o755))
	require.Len(t, tr.look(t, config, "process_file_descriptors").Findings, 1)
}
