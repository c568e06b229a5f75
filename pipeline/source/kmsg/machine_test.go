package kmsg

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// roleVariable makes the test binary do something else in a child process.
const roleVariable = "OTELNPD_TEST_ROLE"

const (
	roleOracle = "oracle"
	roleOpen   = "open"
)

func play(role string) int {
	err := fmt.Errorf("unknown role %q", role)
	switch role {
	case roleOracle:
		err = playOracle()
	case roleOpen:
		err = playOpen()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// need skips a test where something is missing; in CI it fails.
func need(t *testing.T, met bool, what string) {
	t.Helper()
	if met {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s", what)
	}
	t.Skipf("needs %s", what)
}

func needRoot(t *testing.T) {
	t.Helper()
	need(t, os.Geteuid() == 0, "root")
}

// kmsg opens the kernel's log for writing.
func openKmsg(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	need(t, err == nil, "a writable /dev/kmsg")
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// lockKmsg keeps other tests of this machine from writing many lines meanwhile.
func lockKmsg(t *testing.T) {
	t.Helper()
	needRoot(t)
	lock, err := os.OpenFile("/tmp/otelnpd-kmsg.lock", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = lock.Close() }) // and with it the lock
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
}

// unlimitKmsg lets one file descriptor write as much as it likes. The lock must
// be held.
func unlimitKmsg(t *testing.T) {
	t.Helper()
	const path = "/proc/sys/kernel/printk_devkmsg"
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("on\n"), 0o600))
	t.Cleanup(func() { require.NoError(t, os.WriteFile(path, before, 0o600)) })
}
