package integration

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
)

// recordedDumps are the files of a machine that had an oops and then a panic, as
// efi_pstore shows them.
const recordedDumps = "../receivers/pstore/testdata/efi"

// crashed makes a host of which an earlier boot has crashed, a minute before this
// one began, and settings for an agent that watches it.
func crashed(t *testing.T, keys string) (settings agent.Settings, sys string) {
	t.Helper()
	root := t.TempDir()
	sys = filepath.Join(root, "sys")
	require.NoError(t, os.CopyFS(root, os.DirFS(recordedDumps)))
	var up unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &up))
	at := time.Now().Add(-time.Duration(up.Nano()) - time.Minute)
	require.NoError(t, filepath.WalkDir(sys, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return os.Chtimes(path, at, at)
	}))
	settings = agent.NewSettings(t).Durable(t)
	settings.Pstore, settings.Host = keys, "root: '"+root+"', sys: '"+sys+"'"
	return settings, sys
}

func tellsOf(reason string) func(agent.Event) bool {
	return func(e agent.Event) bool { return e.Event == agent.EventProblem && e.Reason == reason }
}

// After a crash the agent tells what the boot before came to, and its rules judge the
// last lines; it removes them only when asked to, and tells nothing again, whoever
// moves the files.
func TestPstore(t *testing.T) {
	settings, sys := crashed(t, "{}")
	first := agent.StartReady(t, binary, settings)
	panicked := first.Console.WaitFor(t, "the panic", tellsOf("EarlierBootPanic"))
	require.Equal(t, "otelnpd/pstore-panic", panicked.Rule)
	require.Contains(t, panicked.Message, ": Kernel panic - not syncing: Fatal exception\n")
	first.Console.WaitFor(t, "the oops", tellsOf("EarlierBootOops"))
	for _, reason := range []string{"KernelPanic", "Ext4Error", "EarlierBootOops", "EarlierBootPanic"} {
		require.Len(t, first.Console.Events(t, tellsOf(reason)), 1, "%s: once, though two dumps hold it", reason)
	}
	for name, condition := range first.Conditions(t) {
		require.Equal(t, "False", condition.Status, "%s: that boot is over", name)
	}
	require.InDelta(t, 2, first.Sum(t, "otelnpd_pstore_told_dumps_total", nil), 0)
	stopAgent(t, first)

	// systemd-pstore moves them.
	archive := filepath.Join(filepath.Dir(sys), "var/lib/systemd/pstore/1764150000/001")
	require.NoError(t, os.MkdirAll(archive, 0o700))
	live := filepath.Join(sys, "fs/pstore")
	require.NoError(t, os.CopyFS(archive, os.DirFS(live)))
	settings.Pstore = "{remove: true}"
	second := agent.StartReady(t, binary, settings)
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(live)
		return err == nil && len(left) == 0
	}, patience, tick, "what was told is removed")
	require.Eventually(t, func() bool { return second.Sum(t, "otelnpd_pstore_removed_files_total", nil) == 5 }, patience, tick)
	require.Empty(t, second.Console.Events(t, func(e agent.Event) bool { return e.Event == agent.EventProblem }))
	kept, err := os.ReadDir(archive)
	require.NoError(t, err)
	require.Len(t, kept, 5, "the archive is systemd's")
	stopAgent(t, second)
}

func stopAgent(t *testing.T, a *agent.Agent) {
	t.Helper()
	a.Signal(t, syscall.SIGTERM)
	require.Zero(t, a.Wait(t, patience))
}

// Without the right to read them the agent says so, and what to do.
func TestPstoreNotPermitted(t *testing.T) {
	if os.Getuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "needs root")
		t.Skip("needs root, to run as another user")
	}
	program, forNobody := forNobody(t)
	settings, sys := crashed(t, "{}")
	settings.Socket, settings.Run, settings.StateDir = forNobody.Socket, forNobody.Run, "none"
	for parent := filepath.Dir(settings.Config); len(parent) > len(os.TempDir()); parent = filepath.Dir(parent) {
		require.NoError(t, os.Chmod(parent, 0o755))
	}
	for parent := filepath.Dir(sys); len(parent) > len(os.TempDir()); parent = filepath.Dir(parent) {
		require.NoError(t, os.Chmod(parent, 0o755))
	}
	require.NoError(t, os.Chmod(filepath.Join(sys, "fs/pstore"), 0o750))
	cmd := exec.Command(program, "run", "--config", settings.WriteConfig(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	p := process.Start(t, "otelnpd", cmd)
	require.Eventually(t, func() bool { return strings.Contains(p.Log(), "receiver pstore is degraded") }, patience, tick)
	require.Contains(t, p.Log(), "fs/pstore/: permission denied")
	require.Contains(t, p.Log(), "grant CAP_DAC_READ_SEARCH")
	p.Signal(t, syscall.SIGTERM)
	require.Zero(t, p.Wait(t, patience))
}
