package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// freezer is a cgroup of the v1 freezer: what is frozen in it does not die of SIGKILL,
// as what waits for a disk in the kernel does not.
type freezer struct {
	t   *testing.T
	dir string
}

func newFreezer(t *testing.T) *freezer {
	t.Helper()
	f := &freezer{t: t, dir: "/sys/fs/cgroup/freezer/otelnpd-test-" + strconv.Itoa(os.Getpid())}
	err := os.Mkdir(f.dir, 0o755)
	requireRight(t, err == nil, "needs a writable v1 freezer: "+errorText(err))
	t.Cleanup(func() {
		f.thaw()
		require.Eventually(t, func() bool { return os.Remove(f.dir) == nil }, patience, time.Millisecond)
	})
	return f
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (f *freezer) write(file, text string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, file), []byte(text), 0o600))
}

func (f *freezer) freeze(pid string) {
	f.t.Helper()
	f.write("cgroup.procs", pid)
	f.write("freezer.state", "FROZEN")
	require.Eventually(f.t, func() bool {
		state, err := os.ReadFile(filepath.Join(f.dir, "freezer.state"))
		return err == nil && string(state) == "FROZEN\n"
	}, patience, time.Millisecond)
}

func (f *freezer) thaw() { f.write("freezer.state", "THAWED") }

// stick lets a command become stuck.
func (l *lab) stick(f *freezer) (result command.Result, pid string) {
	l.t.Helper()
	c := l.script("echo before; echo $$ > $DIR/pid; while :; do sleep 0.1; done")
	c.Timeout, c.KillGrace = 0, 10*time.Millisecond
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	ended := make(chan command.Result, 1)
	go func() { ended <- l.launcher.Run(ctx, nil, c) }()
	pid = l.await("pid")
	f.freeze(pid)
	cancel()
	return <-ended, pid
}

func TestStuck(t *testing.T) {
	f := newFreezer(t)
	l := newLab(t)
	r, pid := l.stick(f)
	require.NotNil(t, r.Stuck, "it has outlived SIGKILL")
	require.Equal(t, pid, strconv.Itoa(r.Stuck.PID))
	require.Equal(t, "D", r.Stuck.State)
	require.Equal(t, "before\n", string(r.Stdout))
	require.Less(t, r.Took, patience)

	require.Equal(t, 1, l.launcher.StuckCount([]string{"check", "other"}))
	told, ok := l.launcher.Stuck("check")
	require.True(t, ok)
	require.Equal(t, *r.Stuck, told)
	again := l.run(l.script("echo again"))
	require.Equal(t, command.NotStarted, again.End)
	require.ErrorIs(t, again.Err, command.ErrStuck)
	other := l.script("echo other")
	other.Key = "other"
	require.Equal(t, "other\n", string(l.run(other).Stdout), "others run")

	f.thaw()
	l.awaitGone(pid)
	require.Eventually(t, func() bool { return l.launcher.StuckCount([]string{"check"}) == 0 }, patience, time.Millisecond)
	require.Equal(t, "again\n", string(l.run(l.script("echo again")).Stdout))
}

// Stuck processes outlast a launcher that nobody uses for a while, as a reload does.
func TestStuckOverAReload(t *testing.T) {
	f := newFreezer(t)
	l := newLab(t)
	_, pid := l.stick(f)
	require.NoError(t, l.launcher.Close(context.Background()))
	require.NoError(t, l.launcher.Open())
	require.ErrorIs(t, l.run(l.script("")).Err, command.ErrStuck)
	f.thaw()
	l.awaitGone(pid)
}

func TestStuckIsAbandoned(t *testing.T) {
	f := newFreezer(t)
	launcher := command.NewLauncher(command.Options{})
	require.NoError(t, launcher.Open())
	l := &lab{t: t, launcher: launcher, dir: t.TempDir()}
	_, pid := l.stick(f)
	launcher.Abandon()
	require.Zero(t, launcher.StuckCount([]string{"check"}))
	require.DirExists(t, "/proc/"+pid)
	f.thaw()
	require.NoError(t, launcher.Close(context.Background()))
	l.awaitGone(pid)
}

// An executable on a file system that does not answer keeps nobody else from being
// started, nor the process from collecting its garbage; it is started once there is an
// answer.
func TestExecutableDoesNotAnswer(t *testing.T) {
	l := newLab(t)
	dead := newDeadMount(t)
	hanging := l.script("true")
	hanging.Key, hanging.Path = "hanging", filepath.Join(dead.dir, "plugin")
	ended := make(chan command.Result, 1)
	go func() { ended <- l.launcher.Run(t.Context(), nil, hanging) }()
	for range 5 {
		require.Equal(t, command.Exited, l.run(l.script("(setsid sleep 0 &)")).End)
		runtime.GC()
	}
	r := <-ended
	require.Equal(t, command.NotStarted, r.End)
	require.ErrorIs(t, r.Err, command.ErrNoAnswer)
	require.Equal(t, "the file system that it is on does not answer", command.Why(r.Err))
	began := time.Now()
	require.ErrorIs(t, l.run(hanging).Err, command.ErrNoAnswer, "one reader waits, not one a run")
	require.Less(t, time.Since(began), 2*time.Second, "it does not wait for an answer of its own")

	dead.abort()
	require.Eventually(t, func() bool { return !errors.Is(l.run(hanging).Err, command.ErrNoAnswer) }, patience, time.Millisecond)
}

// deadMount is a FUSE file system whose server answers nothing.
type deadMount struct {
	dir   string
	abort func()
}

func newDeadMount(t *testing.T) deadMount {
	t.Helper()
	server, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	requireRight(t, err == nil, "needs /dev/fuse: "+errorText(err))
	dir := t.TempDir()
	err = unix.Mount("otelnpd-test", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server.Fd()))
	abort := sync.OnceFunc(func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH) // it may not be mounted
		_ = server.Close()                     // by which the kernel answers all that waits
	})
	t.Cleanup(abort)
	requireRight(t, err == nil, "needs to mount: "+errorText(err))
	return deadMount{dir, abort}
}
