// Package process runs programs for tests: each in a process group of its own,
// stopped when the test ends, its log shown where the test fails.
package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// stopTimeout is how long a program may take to stop on a busy machine.
const stopTimeout = 20 * time.Second

// Process is a running program.
type Process struct {
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
	err    error
}

// Start starts a command in a process group of its own. Output that cmd sends
// nowhere goes to a log in the test's temporary directory, of which the end is
// shown where the test fails. The process is stopped when the test ends, and killed
// by the kernel should the test's own process die before.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	require.NoError(t, err)
	if cmd.Stdout == nil {
		cmd.Stdout = output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = output
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = !cmd.SysProcAttr.Setsid
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p := &Process{name: name, cmd: cmd, log: output.Name(), exited: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	err = <-started
	require.NoError(t, errors.Join(err, output.Close()), "start %s", name)
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			log := p.Log()
			t.Logf("the end of the log of %s:\n%s", name, log[max(0, len(log)-8192):])
		}
	})
	return p
}

// run starts the program and waits for it on one locked thread: the kernel sends
// the parent's death signal when the thread that started the child ends.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// stop ends the whole process group: politely first, and by force after a while.
func (p *Process) stop(t testing.TB) {
	t.Helper()
	group := -p.cmd.Process.Pid
	select {
	case <-p.exited:
	default:
		_ = unix.Kill(group, unix.SIGTERM)
	}
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		t.Logf("%s did not stop within %s of SIGTERM: killing it", p.name, stopTimeout)
	}
	_ = unix.Kill(group, unix.SIGKILL) // what is left of the group
	<-p.exited
}

// Kill ends the whole process group at once, as kill -9 does, and returns once it
// has ended, or had before.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	select {
	case <-p.exited:
		return
	default:
		_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	}
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		require.FailNow(t, p.name+" has survived SIGKILL", "for %s", stopTimeout)
	}
}

// Name returns the name that the process was started under.
func (p *Process) Name() string { return p.name }

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed once the process has ended and its output has been read.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Log returns what the process has written to its log so far.
func (p *Process) Log() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// Killed tells whether the process has ended by SIGKILL. It must have ended.
func (p *Process) Killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// TrySignal sends a signal to the process, which may have ended: the error tells.
// It can be called from any goroutine.
func (p *Process) TrySignal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Signal sends a signal to the process, which must not have ended.
func (p *Process) Signal(t testing.TB, signal os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(signal), "signal %s", p.name)
}

// Wait waits for the process to end by itself within a time and returns its exit
// code, -1 where a signal ended it.
func (p *Process) Wait(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		require.FailNow(t, p.name+" has not ended", "within %s", within)
	}
	return p.cmd.ProcessState.ExitCode()
}
