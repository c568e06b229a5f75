package servers

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// Systemd is a DebianRoot that runs: systemd is its first process, in namespaces and in
// a cgroup of its own. What it shares with this machine is the kernel's log.
type Systemd struct {
	root    *DebianRoot
	process *process.Process
}

// bootDebian makes a root file system that of its namespaces, with the devices that a
// container has and the kernel's log, and becomes systemd. What would change the kernel
// of all, it can read alone.
const bootDebian = `
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
for path in proc/sys proc/sysrq-trigger; do
	[ -e $path ] || continue
	mount --bind $path $path
	mount -o remount,bind,ro $path
done
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty kmsg; do
	: >dev/$device
	mount --bind /dev/$device dev/$device
done
mount -t tmpfs -o mode=755 tmpfs run
hostname otelnpd-node
pivot_root . mnt
umount -l /mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
`

// Boot starts the Debian and returns when all that it starts has started.
func (d *DebianRoot) Boot(t testing.TB) *Systemd {
	t.Helper()
	// There is no terminal to log in at.
	d.Run(t, "systemctl", "mask", "--quiet", "console-getty.service")
	cgroup := newCgroup(t)
	folder, err := os.Open(cgroup)
	require.NoError(t, err)
	defer folder.Close()
	cmd := exec.Command("sh", "-c", bootDebian, "boot", d.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
		Unshareflags: syscall.CLONE_NEWCGROUP, // once it is in the cgroup
		UseCgroupFD:  true, CgroupFD: int(folder.Fd()),
	}
	s := &Systemd{root: d, process: process.Start(t, "systemd", cmd)}
	t.Cleanup(func() { s.process.Kill(t) }) // SIGTERM does not end it
	s.waitRunning(t)
	return s
}

// bootPatience is how long a start or an end of the system may take on a busy machine.
const bootPatience = time.Minute

func (s *Systemd) waitRunning(t testing.TB) {
	t.Helper()
	var state string
	for deadline := time.Now().Add(bootPatience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		output, _ := s.Try(t, "systemctl", "is-system-running")
		if state = strings.TrimSpace(output); state == "running" {
			return
		}
		if state == "degraded" || s.ended() {
			break
		}
	}
	failed, _ := s.Try(t, "systemctl", "--failed", "--no-pager")
	require.FailNow(t, "the system is not running", "%s\n%s\n%s", state, s.process.Log(), failed)
}

func (s *Systemd) ended() bool {
	select {
	case <-s.process.Exited():
		return true
	default:
		return false
	}
}

// Try runs a command in the system, beside its units, and returns its output.
func (s *Systemd) Try(t testing.TB, command ...string) (output string, err error) {
	t.Helper()
	enter := []string{"--target", strconv.Itoa(s.process.PID()), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"}
	cmd := exec.CommandContext(t.Context(), "nsenter", append(enter, command...)...)
	cmd.Env = inDebian()
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// Run is Try of a command that must not fail.
func (s *Systemd) Run(t testing.TB, command ...string) (output string) {
	t.Helper()
	output, err := s.Try(t, command...)
	require.NoError(t, err, "%v\n%s", command, output)
	return output
}

// Show returns a property of a unit.
func (s *Systemd) Show(t testing.TB, unit, property string) string {
	t.Helper()
	return strings.TrimSpace(s.Run(t, "systemctl", "show", "--property", property, "--value", unit))
}

// ShareNetwork lets a path of the system stand for this machine's network namespace, for
// NetworkNamespacePath= of a unit.
func (s *Systemd) ShareNetwork(t testing.TB, path string) {
	t.Helper()
	const share = `: >"$0" && mount --bind /proc/self/ns/net "$0"`
	cmd := exec.CommandContext(t.Context(), "nsenter", "--target", strconv.Itoa(s.process.PID()), "--mount", "--pid", "sh", "-c", share, path)
	cmd.Env = inDebian()
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// PowerOff ends the system as a shutdown does.
func (s *Systemd) PowerOff(t testing.TB) {
	t.Helper()
	s.Run(t, "systemctl", "poweroff", "--no-block")
	s.process.Wait(t, bootPatience)
}

// newCgroup makes a cgroup, and removes it with all below when the test has ended.
func newCgroup(t testing.TB) (folder string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		if strings.HasPrefix(after, "cgroup2 ") {
			folder, err = os.MkdirTemp(strings.Fields(before)[4], "otelnpd-test-") //nolint:usetesting // no ordinary folder
			require.NoError(t, err)
			t.Cleanup(func() { removeCgroup(t, folder) })
			return folder
		}
	}
	require.NotEqual(t, "true", os.Getenv("CI"), "this test needs cgroups of version 2 in CI")
	t.Skip("systemd needs cgroups of version 2")
	return ""
}

// removeCgroup waits for the ends of processes that have been killed.
func removeCgroup(t testing.TB, folder string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), bootPatience)
	defer cancel()
	for {
		err := removeFolders(folder)
		if err == nil {
			return
		}
		require.NoError(t, ctx.Err(), "remove the cgroup %s: %v", folder, err)
		time.Sleep(10 * time.Millisecond)
	}
}

// removeFolders removes folders, deep ones first: files of cgroups cannot be removed.
func removeFolders(top string) (err error) {
	var folders []string
	walked := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	for _, folder := range slices.Backward(folders) {
		err = errors.Join(err, os.Remove(folder))
	}
	return errors.Join(walked, err)
}
