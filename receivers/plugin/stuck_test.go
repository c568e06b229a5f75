package plugin_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// A process in state D costs its check its voice, and nobody else anything. A cgroup of
// the v1 freezer stands in for a disk that is dead: what is frozen does not die of SIGKILL.
func TestStuck(t *testing.T) {
	freezer := "/sys/fs/cgroup/freezer/otelnpd-plugin-test-" + strconv.Itoa(os.Getpid())
	if err := os.Mkdir(freezer, 0o755); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs a writable v1 freezer:", err)
		}
		t.Skip("needs a writable v1 freezer:", err)
	}
	write := func(file, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(freezer, file), []byte(text), 0o600))
	}
	t.Cleanup(func() {
		write("freezer.state", "THAWED")
		require.Eventually(t, func() bool { return os.Remove(freezer) == nil }, 20*time.Second, time.Millisecond)
	})
	l := newLab(t)
	l.config.Interval, l.config.Concurrency, l.config.KillGrace = 200*time.Millisecond, 1, 10*time.Millisecond
	c := l.check("hangs", "echo $$ > $DIR/pid; while [ -e $DIR/hang ]; do sleep 0.05; done; echo fine; exit 1")
	c.Timeout = 5 * time.Second // in which it must be frozen
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "hang"), nil, 0o600))
	l.check("other", "echo other; exit 1")
	l.start()
	pid := l.await("pid")
	write("cgroup.procs", pid)
	write("freezer.state", "FROZEN")

	told := func(rule, part string) func([]pipeline.Record) bool {
		return func(records []pipeline.Record) bool {
			for _, record := range records {
				if record.Problem != nil && record.Problem.Rule == rule && strings.Contains(record.Problem.Message, part) {
					return true
				}
			}
			return false
		}
	}
	l.sink.WaitFor(t, "the check to be told as stuck", told("hangs", "outlived SIGKILL: process "+pid+", state D; it is not started again until that is gone"))
	l.sink.WaitFor(t, "it not to be started again", told("hangs", "hangs is not started: its last process has outlived SIGKILL and is still there"))
	l.sink.WaitFor(t, "the other to have its place", told("other", "other"))
	l.requireValue(1, "otelnpd.plugin.stuck", map[string]string{"receiver": "plugin/test"})
	require.Eventually(t, func() bool { return strings.Contains(l.statuses.Last().Reason, "SIGKILL") }, 20*time.Second, time.Millisecond)
	for _, problem := range l.verdicts(1) {
		require.Equal(t, problem.Rule == "other", problem.State == pipeline.StateProblem, "%+v", problem)
	}

	require.NoError(t, os.Remove(filepath.Join(l.dir, "hang")))
	write("freezer.state", "THAWED")
	l.sink.WaitFor(t, "it to run again", told("hangs", "fine"))
	l.requireValue(0, "otelnpd.plugin.stuck", map[string]string{"receiver": "plugin/test"})
	require.NoDirExists(t, "/proc/"+pid)
}
