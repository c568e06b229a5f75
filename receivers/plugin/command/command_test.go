package command_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

func TestEndsByItself(t *testing.T) {
	l := newLab(t)
	c := l.script(`echo "said $1 in $(pwd)"; echo "on the other" >&2; read line; echo "stdin: $?"; exit 3`)
	c.Args = []string{"a b"}
	r := l.run(c)
	require.Equal(t, command.Exited, r.End)
	require.Equal(t, 3, r.Status.ExitStatus())
	require.Equal(t, "said a b in /\nstdin: 1\n", string(r.Stdout), "standard input is at its end")
	require.Equal(t, "on the other\n", string(r.Stderr))
	require.False(t, r.Truncated)
	require.Positive(t, r.Took)
}

func TestIsOnItsOwn(t *testing.T) {
	l := newLab(t)
	r := l.run(l.script(`cat /proc/self/stat; env; ls /proc/$$/fd; grep flags /proc/$$/fdinfo/1; (: </dev/tty) 2>/dev/null || echo "no terminal"`))
	out := string(r.Stdout)
	fields := strings.Fields(out)
	require.Equal(t, fields[4], fields[5], "group and session are one: %s", out)
	require.NotEqual(t, strconv.Itoa(unix.Getpgrp()), fields[4])
	require.Contains(t, out, "DIR="+l.dir+"\n")
	require.NotContains(t, out, "HOME=", "nothing is inherited")
	require.Contains(t, out, "\n0\n1\n10\n2\nflags", "no file of the agent but its own three, and 10 of the shell's")
	require.Contains(t, out, "no terminal\n")
	require.NotContains(t, out, "flags:\t04", "its output blocks, as programs expect")
}

func TestIsNotStarted(t *testing.T) {
	for _, one := range []struct {
		name string
		make func(l *lab) *command.Command
		err  error
		why  string
	}{
		{"missing", func(*lab) *command.Command { return &command.Command{Path: "/nonexistent", Dir: "/"} }, unix.ENOENT, "does not exist"},
		{"not executable", func(l *lab) *command.Command { return l.file("#!/bin/sh\n", 0o644) }, unix.EACCES, "not executable"},
		{"a folder", func(l *lab) *command.Command { return &command.Command{Path: l.dir, Dir: "/"} }, unix.EACCES, "not executable"},
		{"bad interpreter", func(l *lab) *command.Command { return l.file("#!/nonexistent/sh\n", 0o755) }, unix.ENOENT, "its interpreter"},
		{"no program", func(l *lab) *command.Command { return l.file("hello\n", 0o755) }, unix.ENOEXEC, "no program"},
		{"no folder", func(l *lab) *command.Command { c := l.script(""); c.Dir = "/nonexistent"; return c }, unix.ENOENT, "working directory"},
		{"being written", func(l *lab) *command.Command {
			c := l.script("")
			file, err := os.OpenFile(c.Path, os.O_WRONLY, 0)
			require.NoError(l.t, err)
			l.t.Cleanup(func() { _ = file.Close() })
			return c
		}, unix.ETXTBSY, "being written"},
		{"a NUL in an argument", func(l *lab) *command.Command { c := l.script(""); c.Args = []string{"a\x00b"}; return c }, unix.EINVAL, "invalid argument"},
	} {
		t.Run(one.name, func(t *testing.T) {
			l := newLab(t)
			r := l.run(one.make(l))
			require.Equal(t, command.NotStarted, r.End)
			require.ErrorIs(t, r.Err, one.err)
			require.Contains(t, command.Why(r.Err), one.why)
		})
	}
	t.Run("a closed launcher", func(t *testing.T) {
		r := command.NewLauncher(command.Options{}).Run(t.Context(), nil, &command.Command{Path: "/bin/true"})
		require.ErrorIs(t, r.Err, command.ErrClosed)
	})
}

func TestOutputIsBounded(t *testing.T) {
	for _, one := range []struct{ name, script, kept string }{
		{"one GB", "dd if=/dev/zero bs=1M count=1024 2>/dev/null", strings.Repeat("\x00", 4096)},
		{"one GB on the other", "dd if=/dev/zero bs=1M count=1024 2>/dev/null >&2; echo done", "done\n"},
		{"without a line feed", "printf %05000d 0", strings.Repeat("0", 4096)},
	} {
		t.Run(one.name, func(t *testing.T) {
			l := newLab(t)
			c := l.script(one.script)
			c.Timeout = time.Minute
			r := l.run(c)
			require.Equal(t, command.Exited, r.End)
			require.Zero(t, r.Status.ExitStatus())
			require.Equal(t, one.kept, string(r.Stdout))
			require.LessOrEqual(t, len(r.Stderr), 4096)
			require.LessOrEqual(t, cap(r.Stdout), 8192, "no more memory than what is kept")
		})
	}
}

func TestTimeout(t *testing.T) {
	for _, one := range []struct {
		name, script string
		grace        time.Duration
		signal       syscall.Signal
		out          string
	}{
		{"at once", "echo began; trap 'echo term; exit 0' TERM; echo > $DIR/began; sleep 1000 & wait", 0, syscall.SIGKILL, "began\n"},
		{"heeds TERM", "echo began; trap 'echo term; exit 0' TERM; echo > $DIR/began; sleep 1000 & wait", patience, 0, "began\nterm\n"},
		{"ignores TERM", "trap '' TERM; echo > $DIR/began; while :; do sleep 1; done", 50 * time.Millisecond, syscall.SIGKILL, ""},
		{"closes its output and lives on", "exec >&- 2>&-; echo > $DIR/began; sleep 1000", 0, syscall.SIGKILL, ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			l := newLab(t)
			c := l.script(one.script)
			c.Timeout, c.KillGrace = 2*time.Second, one.grace
			r := l.run(c)
			require.FileExists(t, filepath.Join(l.dir, "began"), "the machine is too slow for this test")
			require.Equal(t, command.TimedOut, r.End)
			require.Equal(t, one.signal != 0, r.Status.Signaled())
			if one.signal != 0 {
				require.Equal(t, one.signal, r.Status.Signal())
			}
			require.Equal(t, one.out, string(r.Stdout))
			require.Nil(t, r.Stuck)
		})
	}
}

func TestIsCancelled(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		t.Run(fmt.Sprintf("at once %v", atOnce), func(t *testing.T) {
			l := newLab(t)
			c := l.script("trap 'echo term; exit 0' TERM; echo $$ > $DIR/pid; sleep 1000 & wait")
			c.KillGrace = patience
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			hurry := make(chan struct{})
			ended := make(chan command.Result, 1)
			go func() { ended <- l.launcher.Run(ctx, hurry, c) }()
			l.await("pid")
			want := "term\n"
			if atOnce {
				want = ""
				close(hurry)
			}
			cancel()
			r := <-ended
			require.Equal(t, command.Cancelled, r.End)
			if atOnce { // TERM may have come first
				require.Less(t, r.Took, patience)
				return
			}
			require.Equal(t, want, string(r.Stdout))
		})
	}
}

// What a command leaves behind does not keep its run from ending, and does not stay.
func TestNothingIsLeft(t *testing.T) {
	for _, one := range []struct{ name, script string }{
		{"in the background", "sleep 1000 & echo $! > $DIR/pid"},
		{"in a session of its own", "setsid sh -c 'echo $$ > $DIR/pid; exec sleep 1000' & while ! [ -s $DIR/pid ]; do :; done"},
		{"a daemon", "(setsid sh -c '(echo $$ > $DIR/parent; sh -c \"echo \\$\\$ > $DIR/pid; exec sleep 1000\") &' &); while ! [ -s $DIR/pid ]; do :; done"},
		{"a daemon that ignores", "(trap '' TERM HUP INT; setsid sh -c 'echo $$ > $DIR/pid; while :; do sleep 1; done' &) ; while ! [ -s $DIR/pid ]; do :; done"},
	} {
		t.Run(one.name, func(t *testing.T) {
			l := newLab(t)
			r := l.run(l.script(one.script, "echo said"))
			require.Equal(t, command.Exited, r.End)
			require.Zero(t, r.Status.ExitStatus())
			require.Equal(t, "said\n", string(r.Stdout))
			l.awaitGone(l.await("pid"))
		})
	}
}

// What a run has started belongs to it until it is over, although another one ends
// meanwhile.
func TestOrphansOfOthersLiveOn(t *testing.T) {
	l := newLab(t)
	c := l.script("(setsid sh -c 'echo $$ > $DIR/pid; exec sleep 1000' &); while ! [ -e $DIR/go ]; do sleep 0.01; done")
	ended := make(chan command.Result, 1)
	go func() { ended <- l.launcher.Run(t.Context(), nil, c) }()
	pid := l.await("pid")
	for range 3 {
		other := *c
		other.Key, other.Path, other.Args = "other", "/bin/sh", []string{"-c", "(setsid sleep 0 &)"}
		require.Equal(t, command.Exited, l.run(&other).End)
	}
	require.DirExists(t, "/proc/"+pid)
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "go"), nil, 0o600))
	require.Equal(t, command.Exited, (<-ended).End)
	l.awaitGone(pid)
}

// Children of this process that no run has started are left alone.
func TestOthersChildrenLiveOn(t *testing.T) {
	l := newLab(t)
	attr := &os.ProcAttr{Files: []*os.File{nil, nil, nil}}
	other, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, attr)
	require.NoError(t, err)
	require.Equal(t, command.Exited, l.run(l.script("(setsid sleep 1000 & echo $! > $DIR/pid)")).End)
	l.awaitGone(l.await("pid"))
	require.NoError(t, other.Kill())
	state, err := other.Wait()
	require.NoError(t, err, "its end is for who has started it")
	require.Equal(t, "signal: killed", state.String())
}

// Process 1 of a container gets children that no command has left: daemons of its entry
// point, what `kubectl exec` leaves behind. What started before the runs is left alone,
// what died is reaped.
func TestStrangersLiveOn(t *testing.T) {
	l := newLab(t)
	before := startStranger(t, "1000")
	require.Equal(t, command.Exited, l.run(l.script("(setsid sleep 1000 & echo $! > $DIR/pid)")).End)
	l.awaitGone(l.await("pid"))
	require.NoError(t, l.launcher.Close(context.Background()))
	between, short := startStranger(t, "1000"), startStranger(t, "0")
	require.NoError(t, l.launcher.Open())
	require.Equal(t, command.Exited, l.run(l.script("(setsid sleep 1000 & echo $! > $DIR/other)")).End)
	l.awaitGone(l.await("other"))
	l.awaitGone(strconv.Itoa(short.Pid))
	require.NoError(t, short.Release())
	for _, one := range []*os.Process{before, between} {
		require.NoError(t, one.Kill())
		state, err := one.Wait()
		require.NoError(t, err)
		require.Equal(t, "signal: killed", state.String())
	}
}

// startStranger starts a child in a session of its own, a tick before what follows.
func startStranger(t *testing.T, seconds string) *os.Process {
	t.Helper()
	one, err := os.StartProcess("/bin/sleep", []string{"sleep", seconds},
		&os.ProcAttr{Files: []*os.File{nil, nil, nil}, Sys: &syscall.SysProcAttr{Setsid: true}})
	require.NoError(t, err)
	time.Sleep(20 * time.Millisecond) // the kernel tells starts by ticks of 10 ms
	return one
}

func TestUserAndGroup(t *testing.T) {
	requireRight(t, os.Getuid() == 0, "another user needs root")
	l := newLab(t)
	c := l.script("id -u; id -g; id -G; nice; kill -0 1 2>/dev/null || echo no rights")
	require.NoError(t, os.Chmod(filepath.Dir(l.dir), 0o755))
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	require.NoError(t, err)
	own = 20 - own
	user, group := uint32(65534), uint32(12345)
	c.User, c.Group = &user, &group
	r := l.run(c)
	require.Equal(t, fmt.Sprintf("65534\n12345\n12345\n%d\nno rights\n", own), string(r.Stdout), r.Err)
	slow := l.script("sleep 0.2; nice")
	slow.Nice = 7
	require.Equal(t, fmt.Sprintf("%d\n", min(19, own+7)), string(l.run(slow).Stdout))
}

// Two of one key never run beside each other, as over a reload they might.
func TestOneOfAKeyAtATime(t *testing.T) {
	l := newLab(t)
	c := l.script("mkdir $DIR/running || exit 1; sleep 0.05; rmdir $DIR/running")
	ended := make(chan command.Result, 10)
	for range cap(ended) {
		go func() { ended <- l.launcher.Run(t.Context(), nil, c) }()
	}
	for range cap(ended) {
		r := <-ended
		require.Equal(t, command.Exited, r.End)
		require.Zero(t, r.Status.ExitStatus(), "%s", r.Stderr)
	}
}

func TestWaitingForItsTurnIsCancelled(t *testing.T) {
	l := newLab(t)
	c := l.script("echo > $DIR/began; sleep 1000")
	atOnce, first := make(chan struct{}), make(chan command.Result, 1)
	go func() { first <- l.launcher.Run(t.Context(), atOnce, c) }()
	l.await("began")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, command.Cancelled, l.launcher.Run(ctx, nil, c).End)
	close(atOnce)
	require.Equal(t, command.Cancelled, (<-first).End)
}
