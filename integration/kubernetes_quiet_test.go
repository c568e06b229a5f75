package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// stateWatch looks at a state directory, and counts how often it is written.
type stateWatch struct {
	dir    string
	last   stateSeen
	writes int
}

// stateSeen are what every write changes: a new file is put in the place of the old
// one, by way of the directory.
type stateSeen struct {
	directory time.Time
	file      os.FileInfo
}

// look returns whether anything was written since it last did, begun writes too.
func (w *stateWatch) look(t *testing.T) bool {
	t.Helper()
	directory, err := os.Stat(w.dir)
	require.NoError(t, err)
	file, err := os.Stat(filepath.Join(w.dir, "state.json"))
	require.NoError(t, err)
	now := stateSeen{directory.ModTime(), file}
	was := w.last
	w.last = now
	written := was.file == nil || !os.SameFile(now.file, was.file) || !now.file.ModTime().Equal(was.file.ModTime())
	if written {
		w.writes++
	}
	return written || !now.directory.Equal(was.directory)
}

// waitStill waits until there is a state, and nothing has been written for a while.
func (w *stateWatch) waitStill(t *testing.T, while time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(w.dir, "state.json"))
		return err == nil
	}, patience, tick, "there is no state")
	since := time.Now()
	for deadline := time.Now().Add(time.Minute); time.Since(since) < while; time.Sleep(tick) {
		if w.look(t) {
			since = time.Now()
		}
		require.True(t, time.Now().Before(deadline), "the state is written again and again")
	}
}

// An agent to which nothing happens writes no state, whatever it tells and whoever asks
// it: heartbeats, scrapes and an operator's look change nothing.
func (s kubernetesTests) quiet(t *testing.T) {
	t.Parallel()
	const lasting, heartbeats = 15 * time.Second, 8
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	r.settings = r.settings.Durable(t)
	path := filepath.Join(t.TempDir(), "kmsg") // the kernel's own is not quiet
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	line := fmt.Sprintf("6,1,%d,-;%s problem before\n", now.Nano()/1000, r.tag)
	require.NoError(t, os.WriteFile(path, []byte(line), 0o600))
	r.settings.Lookback, r.settings.KmsgKeys = "boot", ", path: '"+path+"'"
	a := r.start(t)
	r.waitCondition(t, "False", noDeadlock)
	a.Console.WaitFor(t, "the line that is there", agent.Problem("Problem", "before"))
	r.waitEvents(t, "Problem", 1)
	w := &stateWatch{dir: r.settings.StateDir}
	w.waitStill(t, 5*time.Second)

	begun, writes := time.Now(), a.Sum(t, "otelnpd_state_writes_total", nil)
	require.Positive(t, writes)
	for time.Since(begun) < lasting || r.patchesSince(begun) <= heartbeats {
		require.Less(t, time.Since(begun), time.Minute, "the Node is told all the time")
		require.False(t, w.look(t), "written after %s of rest, when nothing had happened", time.Since(begun))
		r.command(t, "conditions", "list", "--socket", r.settings.Socket)
		require.InDelta(t, writes, a.Sum(t, "otelnpd_state_writes_total", nil), 0)
		time.Sleep(200 * time.Millisecond)
	}
	require.False(t, w.look(t))
}

// While nothing but positions moves, the state is written once in ten seconds.
func (s kubernetesTests) ordinaryLines(t *testing.T) {
	t.Parallel()
	const lasting, interval = 25 * time.Second, 10 * time.Second
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	r.settings = r.settings.Durable(t)
	a := r.start(t)
	r.waitCondition(t, "False", noDeadlock)
	r.problem(t, "before")
	r.waitEvents(t, "Problem", 1)
	w := &stateWatch{dir: r.settings.StateDir}
	w.waitStill(t, 3*time.Second) // what changed is written at most once a second
	begun, accepted := time.Now(), a.Sum(t, acceptedRecords, nil)
	w.writes = 0
	for time.Since(begun) < lasting {
		s.log.Write(t, r.tag+" an ordinary line")
		w.look(t)
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(begun)
	require.Greater(t, a.Sum(t, acceptedRecords, nil), accepted)
	t.Logf("%d writes in %s", w.writes, took)
	require.GreaterOrEqual(t, w.writes, 1, "where a kill would have it read again from")
	require.LessOrEqual(t, w.writes, int(took/interval)+2, "a late one has the next close behind it")
}
