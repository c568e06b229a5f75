package kmsg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	pathError := func(err error) error { return &fs.PathError{Op: "open", Path: "/dev/kmsg", Err: err} }
	for name, c := range map[string]struct {
		err    error
		rights rights
		reason string
		remedy string
	}{
		"no capability":          {pathError(unix.EPERM), rights{restricted: true}, "kernel.dmesg_restrict is 1 and this process lacks CAP_SYSLOG", remedyCapability},
		"in a user namespace":    {pathError(unix.EPERM), rights{restricted: true, syslog: true, userNS: true}, "has no effect in a user namespace", remedyUserNS},
		"in a container":         {pathError(unix.EPERM), rights{restricted: true, syslog: true}, "device list lacks it (device 1:11)", remedyDevice},
		"in a lax container":     {pathError(unix.EPERM), rights{}, "device list lacks it (device 1:11)", remedyDevice},
		"by mode":                {pathError(unix.EACCES), rights{restricted: true}, "its mode forbids it", remedyMode},
		"not there":              {pathError(unix.ENOENT), rights{}, "there is no /dev/kmsg", remedyPath},
		"something else there":   {pathError(errNotKmsg), rights{}, "is not the kernel's log", "write the path"},
		"an error of the device": {pathError(unix.EIO), rights{}, "cannot be read", remedyRetry},
	} {
		t.Run(name, func(t *testing.T) {
			reason, remedy := explain("/dev/kmsg", c.err, c.rights)
			require.Contains(t, reason, c.reason)
			require.Contains(t, remedy, c.remedy)
		})
	}
}

func TestRights(t *testing.T) {
	require.True(t, hasCapability("Name:\tx\nCapEff:\t0000000400000000\nCapBnd:\t0\n", unix.CAP_SYSLOG))
	require.False(t, hasCapability("CapPrm:\t0000000400000000\nCapEff:\t0000000000000000\n", unix.CAP_SYSLOG))
	require.False(t, hasCapability("CapEff:\tnonsense\n", unix.CAP_SYSLOG))
	require.False(t, hasCapability("", unix.CAP_SYSLOG))
	require.True(t, isInitialNamespace("         0          0 4294967295\n"))
	require.False(t, isInitialNamespace("         0     100000      65536\n"))

	proc := t.TempDir()
	require.False(t, lookAtRights(proc).restricted, "what cannot be read is not claimed")
	dir := filepath.Join(proc, "sys/kernel")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dmesg_restrict"), []byte("1\n"), 0o600))
	require.True(t, lookAtRights(proc).restricted)
}

func TestFaultsOfFiles(t *testing.T) {
	for path, want := range map[string]error{
		filepath.Join(t.TempDir(), "none"): fs.ErrNotExist,
		"/dev/null":                        errNotKmsg,
		t.TempDir():                        errNotKmsg,
	} {
		_, err := openDevice(path)
		require.ErrorIs(t, err, want)
		fault := newFault(path, "/proc", err)
		require.ErrorIs(t, fault, want)
		require.Contains(t, fault.Error(), path)
		require.NotEmpty(t, fault.Remedy)
	}
}

// playOpen is a child with fewer rights: it prints why it cannot open the log.
func playOpen() error {
	device, err := openDevice("/dev/kmsg")
	if err == nil {
		device.close()
		return errors.New("could open /dev/kmsg")
	}
	fault := newFault("/dev/kmsg", "/proc", err)
	fmt.Println(fault.Reason, "|", fault.Remedy, "|", errors.Is(fault, fs.ErrPermission))
	return nil
}

func openAs(t *testing.T, change func(*exec.Cmd)) string {
	t.Helper()
	child := exec.Command(testBinary(t), "-test.run=^$")
	child.Env = append(os.Environ(), roleVariable+"="+roleOpen)
	child.Stderr = t.Output()
	change(child)
	out, err := child.Output()
	require.NoError(t, err)
	return string(out)
}

// testBinary copies this binary to where every user can run it.
func testBinary(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "otelnpd-test-") //nolint:usetesting // t.TempDir is closed to others
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	content, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	path := filepath.Join(dir, "kmsg.test")
	require.NoError(t, os.WriteFile(path, content, 0o755))
	return path
}

func TestFaultWithoutCapability(t *testing.T) {
	needRoot(t)
	restrict, err := os.ReadFile("/proc/sys/kernel/dmesg_restrict")
	require.NoError(t, err)
	need(t, strings.TrimSpace(string(restrict)) == "1", "kernel.dmesg_restrict = 1")
	said := openAs(t, func(child *exec.Cmd) {
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	require.Contains(t, said, "kernel.dmesg_restrict is 1 and this process lacks CAP_SYSLOG")
	require.Contains(t, said, "run as root or grant CAP_SYSLOG")
	require.Contains(t, said, "| true")
}

// TestFaultOfDeviceList takes 1:11 out of the device list of a cgroup, as a
// container runtime does, and looks from inside as root.
func TestFaultOfDeviceList(t *testing.T) {
	needRoot(t)
	parent := "/sys/fs/cgroup/devices"
	_, err := os.Stat(filepath.Join(parent, "devices.deny"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	group, err := os.MkdirTemp(parent, "otelnpd-test-") //nolint:usetesting // a cgroup, not a place for files
	if err != nil {
		t.Skipf("needs the devices controller of cgroup v1: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(group) })
	require.NoError(t, os.WriteFile(filepath.Join(group, "devices.deny"), []byte("c 1:11 r"), 0o600))
	procs := filepath.Join(group, "cgroup.procs")
	said := openAs(t, func(child *exec.Cmd) {
		child.Path, child.Args = "/bin/sh", []string{"sh", "-c", "echo $$ > " + procs + " && exec " + child.Path + " " + strconv.Quote("-test.run=^$")}
	})
	require.Contains(t, said, "the container runtime's device list lacks it (device 1:11)")
	require.Contains(t, said, "run privileged or grant device 1:11")
	require.Contains(t, said, "| true")
}
