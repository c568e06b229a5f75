package process

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A program that leaves a child behind and ignores SIGTERM's absence: its whole
// group is gone after the test.
func TestStopEndsTheWholeGroup(t *testing.T) {
	var p *Process
	t.Run("running", func(t *testing.T) {
		p = Start(t, "sh", exec.Command("sh", "-c", "sleep 1000 & echo child $!; wait"))
		require.Eventually(t, func() bool { return strings.Contains(p.Log(), "child ") }, 10*time.Second, time.Millisecond)
	})
	<-p.Exited()
	require.Eventually(t, func() bool { return unix.Kill(-p.PID(), 0) == unix.ESRCH }, 10*time.Second, time.Millisecond)
}

func TestWait(t *testing.T) {
	p := Start(t, "sh", exec.Command("sh", "-c", "echo out; echo err >&2; exit 3"))
	require.Equal(t, 3, p.Wait(t, 10*time.Second))
	require.Equal(t, "out\nerr\n", p.Log())
	killed := Start(t, "sleep", exec.Command("sleep", "1000"))
	killed.Signal(t, os.Signal(syscall.SIGKILL))
	require.Equal(t, -1, killed.Wait(t, 10*time.Second))
}

func TestKill(t *testing.T) {
	p := Start(t, "sleep", exec.Command("sh", "-c", "trap '' TERM; sleep 60 & wait"))
	p.Kill(t)
	require.Equal(t, -1, p.Wait(t, time.Second))
	p.Kill(t) // has ended before
}
