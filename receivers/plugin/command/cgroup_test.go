package command_test

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// requireLimits skips a test where limits cannot be set, before what they are to limit
// runs without.
func (l *lab) requireLimits(limits command.Limits) {
	l.t.Helper()
	r := l.run(&command.Command{Key: "probe", Path: "/bin/true", Dir: "/", Limits: limits, Timeout: patience})
	requireRight(l.t, r.Unlimited == nil, "needs writable cgroups: "+errorText(r.Unlimited))
	require.Equal(l.t, command.Exited, r.End)
}

func TestForkBomb(t *testing.T) {
	l := newLab(t)
	c := l.script("cd $DIR; bomb() { setsid sh -c '. ./bomb' & setsid sh -c '. ./bomb' & wait; }; echo 'setsid sh -c \". ./bomb\" & setsid sh -c \". ./bomb\" & wait' > bomb; . ./bomb")
	c.Limits = command.Limits{PIDs: 30}
	c.Timeout = 3 * time.Second
	l.requireLimits(c.Limits)
	before := time.Now()
	r := l.run(c)
	require.NoError(t, r.Unlimited)
	require.Contains(t, []command.End{command.TimedOut, command.Exited}, r.End)
	require.Less(t, time.Since(before), patience)
	require.Contains(t, strings.ToLower(string(r.Stderr)), "cannot fork", "the limit was reached")
}

func TestMemoryLimit(t *testing.T) {
	l := newLab(t)
	c := l.script("exec dd if=/dev/zero of=/dev/null bs=150M count=1") // one process: nobody else is there to be killed
	c.Limits = command.Limits{Memory: 16 << 20}
	l.requireLimits(c.Limits)
	r := l.run(c)
	require.Equal(t, command.Exited, r.End)
	require.Equal(t, syscall.SIGKILL, r.Status.Signal())
	require.True(t, r.OutOfMemory)
}

func TestCPULimit(t *testing.T) {
	l := newLab(t)
	c := l.script("while :; do :; done")
	c.Limits = command.Limits{CPUs: 0.1, Memory: 1 << 30, PIDs: 10}
	c.Timeout = 2 * time.Second
	l.requireLimits(c.Limits)
	var before, after syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_CHILDREN, &before))
	r := l.run(c)
	require.Equal(t, command.TimedOut, r.End)
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_CHILDREN, &after))
	used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	require.Less(t, used, r.Took/2, "a tenth of a processor")
	require.False(t, r.OutOfMemory)
}

// A thread that has gone into a cgroup to start a command does not stay there.
func TestTheAgentIsNotLimited(t *testing.T) {
	l := newLab(t)
	c := l.script("grep pids /proc/self/cgroup")
	c.Limits = command.Limits{PIDs: 10}
	l.requireLimits(c.Limits)
	for range 20 {
		r := l.run(c)
		require.Contains(t, string(r.Stdout), "otelnpd-plugin-")
	}
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/cgroup") // threads end
		require.NotContains(t, string(text), "otelnpd-plugin")
	}
}

// A command with the agent's rights may make cgroups below its own. They go with it, and
// who is in them.
func TestCgroupsOfTheCommandAreRemoved(t *testing.T) {
	l := newLab(t)
	c := l.script(`own=$(grep pids: /proc/self/cgroup | cut -d: -f3); top=/sys/fs/cgroup/pids; [ -d $top$own ] || { top=/sys/fs/cgroup; own=$(grep ^0:: /proc/self/cgroup | cut -d: -f3); }`,
		"mkdir -p $top$own/deep/deeper || exit 9",
		"(setsid sh -c 'echo $$ > '$top$own/deep/deeper/cgroup.procs'; echo $$ > $DIR/pid; exec sleep 1000' &)",
		"while ! [ -s $DIR/pid ]; do :; done")
	c.Limits = command.Limits{PIDs: 10}
	l.requireLimits(c.Limits)
	r := l.run(c)
	require.Zero(t, r.Status.ExitStatus(), string(r.Stderr))
	l.awaitGone(l.await("pid"))
	require.Eventually(t, func() bool { return len(groupsNow(t)) == 0 }, patience, time.Millisecond)
}

// The first thread stands for the process: while it is in a v1 cgroup, all memory of the
// process counts there, and the kernel may kill it for the command's.
func TestTheFirstThreadStaysOut(t *testing.T) {
	l := newLab(t)
	c := l.script("grep -c otelnpd-plugin /proc/$PPID/cgroup")
	c.Limits = command.Limits{Memory: 64 << 20}
	l.requireLimits(c.Limits)
	var all sync.WaitGroup
	for i := range 8 {
		own := *c
		own.Key = strconv.Itoa(i)
		all.Go(func() {
			for range 25 {
				assert.Equal(t, "0\n", string(l.launcher.Run(t.Context(), nil, &own).Stdout))
			}
		})
	}
	all.Wait()
}
