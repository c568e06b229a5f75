package integration

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
)

// nobody is the user that may do nothing.
const nobody = 65534

// Without the right to read the kernel's log, on a terminal: a person is there to
// read why, and to do something about it.
func TestNoRightsOnATerminal(t *testing.T) {
	program, settings := forNobody(t)
	terminal, output := openTerminal(t)
	cmd := exec.Command(program, "run", "--config", settings.WriteConfig(t))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setsid: true}
	p := process.Start(t, "otelnpd", cmd)
	require.Equal(t, 1, p.Wait(t, 30*time.Second))
	require.NoError(t, terminal.Close())
	said := output()
	requireCauseAndRemedy(t, said)
	t.Logf("on the terminal:\n%s", said)
}

// The same under a service manager: the rights may still come, and meanwhile the
// agent says what is missing and answers.
func TestNoRightsUnderAServiceManager(t *testing.T) {
	program, settings := forNobody(t)
	cmd := exec.Command(program, "run", "--config", settings.WriteConfig(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	p := process.Start(t, "otelnpd", cmd)
	p.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+settings.Status+"/healthz", nil))
	require.Eventually(t, func() bool { return strings.Contains(p.Log(), "/dev/kmsg") }, 10*time.Second, 10*time.Millisecond)
	requireCauseAndRemedy(t, p.Log())
	status, body := agent.Get(t, "http://"+settings.Status+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	requireCauseAndRemedy(t, body)
	select {
	case <-p.Exited():
		require.Fail(t, "the agent has ended")
	case <-time.After(2 * time.Second):
	}
	p.Signal(t, syscall.SIGTERM)
	require.Zero(t, p.Wait(t, 15*time.Second))
}

func requireCauseAndRemedy(t *testing.T, said string) {
	t.Helper()
	for _, word := range []string{"/dev/kmsg may not be read", "dmesg_restrict is 1", "run as root or grant CAP_SYSLOG"} {
		require.Contains(t, said, word)
	}
}

// forNobody returns the agent's program where every user can reach it, and settings
// whose files nobody may write.
func forNobody(t *testing.T) (program string, settings agent.Settings) {
	t.Helper()
	restricted, err := os.ReadFile("/proc/sys/kernel/dmesg_restrict")
	require.NoError(t, err)
	needed := os.Getuid() == 0 && strings.TrimSpace(string(restricted)) == "1"
	if !needed && os.Getenv("CI") != "true" {
		t.Skip("needs root, to run as another user, and kernel.dmesg_restrict=1")
	}
	require.True(t, needed, "needs root and kernel.dmesg_restrict=1")
	settings = agent.NewSettings(t)
	dir := filepath.Dir(settings.Socket)
	require.NoError(t, os.Chown(dir, nobody, nobody))
	for parent := t.TempDir(); parent != os.TempDir() && len(parent) > 1; parent = filepath.Dir(parent) {
		require.NoError(t, os.Chmod(parent, 0o755))
	}
	program = filepath.Join(dir, "otelnpd")
	content, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))
	return program, settings
}

// openTerminal opens a pseudo-terminal and returns its slave's end and what has
// been written to it, whole once the slave is closed everywhere.
func openTerminal(t *testing.T) (terminal *os.File, output func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	var said strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		_, _ = io.Copy(&said, master) // ends with EIO once the slave is closed
	})
	return terminal, func() string {
		reading.Wait()
		return said.String()
	}
}
