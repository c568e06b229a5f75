package checks

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

func TestSelectionOfMounts(t *testing.T) {
	c := MountSelection{Types: []string{"ext4"}, Exclude: []string{"/boot", "/var/lib/x"}}
	var left []string
	for _, m := range c.leave([]mounts.Mount{{Point: "/boot"}, {Point: "/boot/efi"}, {Point: "/bootleg"}, {Point: "/var/lib"}, {Point: "/var/lib/x/y"}}) {
		left = append(left, m.Point)
	}
	require.Equal(t, []string{"/bootleg", "/var/lib"}, left)
	require.True(t, c.wants([]byte("ext4")))
	require.False(t, c.wants([]byte("ext")))
}

// Two roots: what is mounted at host.root must be what the first process has.
func TestRootOfAnotherIsNotTheHosts(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	for name, mounts := range map[string]string{
		"an image":            "1 0 0:60 / HOST rw - overlay overlay rw",
		"nothing":             "1 0 0:60 / / rw - overlay overlay rw",
		"a part of the host":  "1 0 259:2 /var/lib HOST rw - ext4 /dev/nvme0n1p2 rw",
		"something over it":   "1 0 259:2 / HOST rw - ext4 /dev/nvme0n1p2 rw\n2 0 0:60 / HOST rw - tmpfs tmpfs rw",
		"a container's own /": "1 0 0:60 / / rw - overlay overlay rw\n2 0 259:2 /x /etc/hosts rw - ext4 /dev/nvme0n1p2 rw",
	} {
		t.Run(name, func(t *testing.T) {
			tr.write(t, "proc/self/mountinfo", mounts)
			report := tr.look(t, all(), "disk_space")
			require.False(t, report.Complete)
			require.Len(t, report.Findings, 1)
			require.Equal(t, pipeline.StateUnknown, report.Findings[0].State)
			require.Contains(t, report.Degraded.Reason, "is not the root directory of the host")
			require.Contains(t, report.Degraded.Remedy, "mountPropagation: HostToContainer")
		})
	}
}

// A file system that is gone is no problem any more, and one whose figure is between
// the limits goes on as it was.
func TestDiskSpaceComesAndGoes(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12", "devices-6.12-sick")
	config := all()
	config.DiskSpace.AvailableBelow = 0
	config.DiskSpace.Fail.Enter = 98
	config.DiskSpace.Fail.Leave = 97
	run := checkOn(t, config, tr.system(t), "disk_space").Run
	at := func(want string) {
		t.Helper()
		require.Contains(t, strings.Join(told(run(t.Context())), "\n")+"\n", want)
		tr.clock.Advance(scanAge)
	}
	at("disk_space /srv/my data problem: /srv/my data (/dev/sdb, btrfs) is 98 % full, 2 of 100 GiB are available, limit 98 %\n")
	tr.write(t, "kernel/statfs", "/ 1 1 1 1\n/var/lib/containerd 1 1 1 1\n/srv/my\\040data 97.5 2.5 0 0")
	at("disk_space /srv/my data between: ")
	table, err := os.ReadFile(tr.path("proc/self/mountinfo"))
	require.NoError(t, err)
	tr.write(t, "proc/self/mountinfo", strings.ReplaceAll(string(table), " - btrfs ", " - autofs "))
	tr.write(t, "proc/1/mountinfo", "28 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw")
	report := run(t.Context())
	require.False(t, report.Complete, "it may have been left out")
	require.NotContains(t, strings.Join(told(report), "\n"), "my data")
	require.True(t, run(t.Context()).Complete)
}

// A service manager may make all mounts of the agent's own namespace read-only: the
// file systems behind them are written to by others.
func TestDiskSpaceOfAProtectedService(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	for from, want := range map[string]string{
		" rw,relatime master:1 - ext4 /dev/nvme0n1p2 rw,errors": "disk_space/warn / ok: ",
		" rw,relatime master:1 - ext4 /dev/nvme0n1p2 ro,errors": "disk_space/warn / ok: ", // by the kernel
	} {
		tr.write(t, "proc/self/mountinfo", "128 1 259:2 / HOST"+from+"=remount-ro")
		require.Contains(t, strings.Join(told(tr.look(t, all(), "disk_space")), "\n"), want)
	}
	tr.write(t, "proc/self/mountinfo", "128 1 259:2 / HOST ro,relatime master:1 - ext4 /dev/nvme0n1p2 rw")
	require.Contains(t, strings.Join(told(tr.look(t, all(), "disk_space")), "\n"), "disk_space/warn / ok: ")
	tr.write(t, "proc/self/mountinfo", "128 1 259:2 / HOST ro,relatime master:1 - ext4 /dev/nvme0n1p2 ro")
	require.NotContains(t, strings.Join(told(tr.look(t, all(), "disk_space")), "\n"), "disk_space/warn / ", "it cannot fill up")
}

// Of more findings than are heard those that tell of problems come first.
func TestTheWorstComesFirst(t *testing.T) {
	config := all()
	e := config.DiskSpace.entry()
	report := e.judge(e.limits(), measured{figures: []figure{
		{instance: "a", value: 1}, {instance: "b", err: os.ErrPermission}, {instance: "c", value: 99}, {instance: "d", value: 2},
	}}, nil)
	var order []string
	for _, one := range report.Findings {
		order = append(order, one.Instance)
	}
	require.Equal(t, "c d a b", strings.Join(order, " "))
}
