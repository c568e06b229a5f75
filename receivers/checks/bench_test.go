package checks

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/check"
)

// bigTree is a recorded node with 5,000 processes and 2,000 mounts.
func bigTree(tb testing.TB) *tree {
	tb.Helper()
	tr := newTree(tb, "linux-6.8-cgroup2", "devices-6.12")
	for i := range 5000 {
		pid := 10_000 + i
		dir := fmt.Sprintf("proc/%d/", pid)
		tr.write(tb, dir+"stat", fmt.Sprintf("%d (worker/%d:1-ev) S 1 %[1]d %[1]d 0 -1 4194560 93847 293847 0 12 93847 2938 11 9 20 0 %d 0 %d 2093847552 93847"+
			" 18446744073709551615 94293847293847 94293847293999 140729384729384 0 0 0 0 4096 17663 0 0 0 17 3 0 0 0 0 0"+
			" 94293847294000 94293847295000 94293847300000 140729384730000 140729384730100 140729384730100 140729384730999 0", pid, i%100, 1+i%40, 4000+i))
		tr.write(tb, dir+"status", blockedStatus)
		tr.write(tb, dir+"statm", "1000 500 50 1 0 60 0")
	}
	tr.addMounts(tb)
	return tr
}

// addMounts adds what a node full of pods has: the layers of containers, secrets, and
// volumes with parts of them.
func (tr *tree) addMounts(tb testing.TB) {
	tb.Helper()
	layers := strings.Repeat("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1234/fs:", 20)
	var mounts strings.Builder
	for i := range 2000 {
		switch i % 3 {
		case 0:
			fmt.Fprintf(&mounts, "%d 27 0:%d / /run/containerd/io.containerd.runtime.v2.task/k8s.io/%064d/rootfs rw,relatime shared:%d - overlay overlay rw,lowerdir=%s,upperdir=/u,workdir=/w\n", 1000+i, 1000+i, i, i, layers)
		case 1:
			fmt.Fprintf(&mounts, "%d 27 0:%d / /var/lib/kubelet/pods/5d2b3c1e-0000-4000-8000-%012d/volumes/kubernetes.io~projected/token rw,relatime shared:%d - tmpfs tmpfs rw,size=16384k\n", 1000+i, 1000+i, i, i)
		case 2:
			fmt.Fprintf(&mounts, "%d 27 8:%d /x /var/lib/kubelet/pods/5d2b3c1e-0000-4000-8000-%012d/volume-subpaths/pvc/app/0 rw,relatime shared:%d - ext4 /dev/sdz rw,seclabel\n", 1000+i, 100+i%50, i, i)
		}
	}
	for _, path := range []string{"proc/self/mountinfo", "proc/1/mountinfo"} {
		text, err := os.ReadFile(tr.path(path))
		require.NoError(tb, err)
		tr.write(tb, path, string(text)+mounts.String())
	}
}

// A round in which every check looks once, also those that are off by default.
func BenchmarkRoundOf5000Processes(b *testing.B) {
	tr := bigTree(b)
	benchmarkRound(b, all(), tr.system(b), func() { tr.clock.Advance(scanAge) })
}

// A round of the checks of disks, networks and hardware on a node with 2,000 mounts.
func BenchmarkDevicesOf2000Mounts(b *testing.B) {
	tr := newTree(b, "linux-6.8-cgroup2", "devices-6.12")
	tr.addMounts(b)
	config := all()
	for _, one := range config.entries() {
		one.base.Enabled = one.base.Enabled && isOfDevices(one.name)
	}
	benchmarkRound(b, config, tr.system(b), func() { tr.clock.Advance(scanAge) })
}

// What the defaults cost on this machine.
func BenchmarkDefaultRound(b *testing.B) {
	benchmarkRound(b, DefaultConfig(), host(), func() {})
}

// What all checks cost on this machine.
func BenchmarkFullRound(b *testing.B) {
	s := host()
	benchmarkRound(b, all(), s, func() { s.table.scanned = 0 })
}

func benchmarkRound(b *testing.B, config *Config, s *system, later func()) {
	b.Helper()
	require.NoError(b, config.Validate())
	var checks []check.Check
	for _, one := range config.entries() {
		if one.base.Enabled {
			checks = append(checks, one.open(config.Interval, s))
		}
	}
	b.ReportAllocs()
	begun := cpuTime(b)
	for b.Loop() {
		for i := range checks {
			require.Nil(b, checks[i].Run(b.Context()).Degraded)
		}
		later()
	}
	b.ReportMetric(float64((cpuTime(b)-begun).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
