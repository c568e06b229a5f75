package state_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

func TestChangesAreWrittenAtOnceAndOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		begun := time.Now()
		for i := range 450 {
			a.set(i + 1)
			w.Changed()
			w.Moved()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		require.Equal(t, []float64{0, 1, 2, 3, 4, 5}, a.seconds(begun))
		require.Equal(t, 450, on(t, a.disk))
		a.requireOK(t)
		shutdown(t, w)
	})
}

func TestPositionsAreWrittenEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		begun := time.Now()
		for i := range 117 {
			a.set(i + 1)
			w.Moved()
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		// The first move after a write opens the next ten seconds.
		require.Equal(t, []float64{10, 20.2, 30.4, 40.6}, a.seconds(begun))
		require.Equal(t, 117, on(t, a.disk))
		shutdown(t, w)
	})
}

// A change takes the positions along.
func TestChangeTakesPositionsAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		begun := time.Now()
		a.set(1)
		w.Moved()
		time.Sleep(3 * time.Second)
		a.set(2)
		w.Changed()
		time.Sleep(time.Minute)
		require.Equal(t, []float64{3}, a.seconds(begun))
		a.set(3)
		w.Moved()
		time.Sleep(time.Minute)
		require.Equal(t, []float64{3, 73}, a.seconds(begun))
		shutdown(t, w)
	})
}

func TestNothingIsDoneWhileNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.set(1)
		w.Changed()
		time.Sleep(time.Minute)
		require.Equal(t, 1, a.takes())
		a.disk.Before(func(operation statetest.Operation) error {
			t.Errorf("%s, though nothing has changed", operation)
			return nil
		})
		time.Sleep(1000 * time.Hour)
		shutdown(t, w)
		require.Equal(t, 1, a.takes())
	})
}

// What says that it has changed and is the same is looked at, not written; unless
// the file is gone.
func TestSameSectionsAreNotWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		for range 5 {
			w.Changed()
			time.Sleep(2 * time.Second)
		}
		require.Equal(t, 5, a.takes())
		require.Equal(t, 1, a.disk.Count(statetest.Create))
		require.Equal(t, 4, a.figure(t, "otelnpd.state.writes/skipped"))
		require.NoError(t, w.Sync(t.Context()))
		require.Equal(t, 1, a.disk.Count(statetest.Create))

		require.NoError(t, a.disk.Remove("state.json"))
		require.NoError(t, w.Sync(t.Context()))
		require.Equal(t, 2, a.disk.Count(statetest.Create))

		// After a failure nobody knows what the disk has.
		a.disk.Fail(statetest.SyncDir, unix.EIO)
		a.set(7)
		require.Error(t, w.Sync(t.Context()))
		a.disk.Fail(statetest.SyncDir, nil)
		a.set(0)
		require.NoError(t, w.Sync(t.Context()))
		require.Equal(t, 4, a.disk.Count(statetest.Create))
		require.Equal(t, 0, on(t, a.disk))
		shutdown(t, w)
	})
}

// What changes during a capture is for the next.
func TestChangeDuringACapture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		begun := time.Now()
		a.set(1)
		a.onCapture(func() error {
			a.onCapture(nil)
			a.set(2)
			w.Changed()
			return nil
		})
		w.Changed()
		synctest.Wait()
		require.Equal(t, 1, on(t, a.disk))
		time.Sleep(time.Minute)
		require.Equal(t, 2, on(t, a.disk))
		require.Equal(t, []float64{0, 1}, a.seconds(begun))
		shutdown(t, w)
	})
}

func TestWhatWasToldBeforeStartIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.set(1)
		w, err := state.NewWriter(a.options())
		require.NoError(t, err)
		w.Changed()
		require.NoError(t, w.Start(t.Context()))
		require.NoError(t, w.Start(t.Context()))
		synctest.Wait()
		require.Equal(t, 1, on(t, a.disk))
		shutdown(t, w)
	})
}

func TestFailedWritesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		begun := time.Now()
		a.disk.Fail(statetest.Rename, unix.ENOSPC)
		a.set(1)
		w.Changed()
		time.Sleep(100 * time.Second)
		require.Equal(t, []float64{0, 1, 3, 7, 15, 31, 61, 91}, a.seconds(begun))
		a.requireDegraded(t, "write the state: rename state.json.new: no space left on device",
			"free space on the file system of /var/lib/otelnpd")
		require.Len(t, a.statuses, 1, "told once")
		require.Nil(t, a.disk.File("state.json"))

		// New changes do not hurry: the disk has enough to do.
		w.Changed()
		w.Moved()
		a.disk.Fail(statetest.Rename, nil)
		time.Sleep(10 * time.Second)
		require.Nil(t, a.disk.File("state.json"))
		time.Sleep(20 * time.Second)
		require.Equal(t, 1, on(t, a.disk))
		a.requireOK(t)
		require.Equal(t, 8, a.figure(t, "otelnpd.state.writes/failed"))
		require.Equal(t, 1, a.figure(t, "otelnpd.state.writes/ok"))
		shutdown(t, w)
	})
}

func TestEveryStepMayFail(t *testing.T) {
	for _, operation := range []statetest.Operation{
		statetest.Lock, statetest.Create, statetest.Write, statetest.SyncFile, statetest.Rename, statetest.SyncDir,
	} {
		for errno, remedy := range map[error]string{
			unix.ENOSPC: "free space on the file system of /var/lib/otelnpd", unix.EDQUOT: "free space",
			unix.EROFS: "make /var/lib/otelnpd writable for the agent", unix.EACCES: "writable", unix.EPERM: "writable",
			unix.EIO: "look at the disk of /var/lib/otelnpd", state.ErrLocked: "stop the other agent",
		} {
			t.Run(string(operation)+" "+errno.Error(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkFailure(t, operation, errno, remedy) })
			})
		}
	}
}

func checkFailure(t *testing.T, operation statetest.Operation, errno error, remedy string) {
	t.Helper()
	a := newAgent()
	w := a.start(t)
	a.set(1)
	require.NoError(t, w.Sync(t.Context()))
	a.requireOK(t)

	a.disk.Fail(operation, errno)
	a.set(2)
	w.Changed()
	err := w.Sync(t.Context())
	require.ErrorIs(t, err, state.ErrDegraded)
	require.ErrorIs(t, err, errno)
	a.requireDegraded(t, errno.Error(), remedy)
	if operation != statetest.SyncDir {
		require.Equal(t, 1, on(t, a.disk), "the old file is untouched")
	}
	require.Nil(t, a.disk.File("state.json.new"), "nothing is left that takes space")

	a.disk.Fail(operation, nil)
	time.Sleep(2 * time.Second)
	require.Equal(t, 2, on(t, a.disk))
	a.requireOK(t)
	shutdown(t, w)
}

// A file that could not even be removed is replaced by the next write.
func TestLeftoverIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.disk.Fail(statetest.Write, unix.EIO)
		a.disk.Fail(statetest.Remove, unix.EIO)
		a.set(1)
		require.ErrorIs(t, w.Sync(t.Context()), unix.EIO)
		require.NotNil(t, a.disk.File("state.json.new"))
		a.disk.Fail(statetest.Write, nil)
		require.ErrorIs(t, w.Sync(t.Context()), unix.EIO)
		a.disk.Fail(statetest.Remove, nil)
		require.NoError(t, w.Sync(t.Context()))
		require.Equal(t, 1, on(t, a.disk))
		shutdown(t, w)
	})
}

func TestPipelineThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.set(1)
		a.onCapture(func() error { return pipeline.ErrStalled })
		w.Changed()
		err := w.Sync(t.Context())
		require.ErrorIs(t, err, state.ErrDegraded)
		require.ErrorIs(t, err, pipeline.ErrStalled)
		a.requireDegraded(t, "take a cut of what is kept: a pipeline makes no progress", "see which component hangs")
		require.Positive(t, a.figure(t, "otelnpd.state.writes/stalled"))
		require.Zero(t, a.figure(t, "otelnpd.state.writes/failed"))
		a.onCapture(nil)
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, on(t, a.disk))
		a.requireOK(t)
		shutdown(t, w)
	})
}

// What could not be read again never gets into a file.
func TestSectionsThatCannotBeWritten(t *testing.T) {
	for want, section := range map[string]pipeline.Encode{
		`write section "bad": no such number`: func() ([]byte, error) { return nil, errors.New("no such number") },
		`section "bad" is no JSON`:            func() ([]byte, error) { return []byte("{"), nil },
		"more than a state file may have":     func() ([]byte, error) { return []byte(`"` + strings.Repeat("x", 64<<20) + `"`), nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAgent()
			options := a.options()
			options.Capture = func() (map[string]pipeline.Encode, error) {
				return map[string]pipeline.Encode{"bad": section}, nil
			}
			w, err := state.NewWriter(options)
			require.NoError(t, err)
			require.NoError(t, w.Start(t.Context()))
			w.Changed()
			synctest.Wait()
			a.requireDegraded(t, want, "report this as a fault of otelnpd")
			require.Equal(t, 1, a.figure(t, "otelnpd.state.writes/failed"))
			require.Zero(t, a.disk.Count(statetest.Create))
			require.ErrorContains(t, w.Shutdown(t.Context()), want)
		})
	}
}

func TestWhatTheFileSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.set(42)
		time.Sleep(time.Second)
		require.NoError(t, w.Sync(t.Context()))
		document, err := state.Decode(a.disk.File("state.json"))
		require.NoError(t, err)
		require.Equal(t, state.Document{
			Written: time.Now().UTC(), Version: "v1", Node: "node-1", BootID: "boot-1",
			Sections: map[string][]byte{"value": []byte("42")},
		}, document)
		shutdown(t, w)
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		require.Equal(t, map[string]float64{
			"otelnpd.state.writes/ok": 0, "otelnpd.state.writes/failed": 0, "otelnpd.state.writes/skipped": 0,
			"otelnpd.state.writes/stalled": 0, "otelnpd.state.size": 0, "otelnpd.state.last_write.time": 0,
			"otelnpd.state.degraded": 0, "otelnpd.state.set_aside/corrupt": 0, "otelnpd.state.set_aside/newer": 0,
		}, a.figures(t), "what is known from the start is published from the start")
		require.NoError(t, w.Sync(t.Context()))
		require.Equal(t, map[string]float64{
			"otelnpd.state.writes/ok": 1, "otelnpd.state.writes/failed": 0, "otelnpd.state.writes/skipped": 0,
			"otelnpd.state.writes/stalled": 0, "otelnpd.state.size": float64(len(a.disk.File("state.json"))),
			"otelnpd.state.last_write.time": float64(time.Now().Unix()), "otelnpd.state.write.duration": 1,
			"otelnpd.state.degraded": 0, "otelnpd.state.set_aside/corrupt": 0, "otelnpd.state.set_aside/newer": 0,
		}, a.figures(t))
		shutdown(t, w)
	})
}

// An agent without a state directory.
func TestNoWriter(t *testing.T) {
	var w *state.Writer
	_, err := w.Open(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, err, state.ErrMemory)
	require.NoError(t, w.Start(t.Context()))
	w.Changed()
	w.Moved()
	keeping := w.Keeping()
	require.False(t, keeping.Durable())
	keeping.Changed()
	keeping.Moved()
	require.ErrorIs(t, w.Sync(t.Context()), state.ErrMemory)
	require.EqualError(t, w.Sync(t.Context()), "state is kept in memory alone")
	require.NoError(t, w.Shutdown(t.Context()))
}

func TestKeeping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		begun := time.Now()
		keeping := w.Keeping()
		require.True(t, keeping.Durable())
		a.set(1)
		keeping.Moved()
		time.Sleep(time.Minute)
		a.set(2)
		keeping.Changed()
		time.Sleep(time.Minute)
		require.Equal(t, []float64{10, 60}, a.seconds(begun))
		shutdown(t, w)
	})
}

func TestTellingCostsNothing(t *testing.T) {
	a := newAgent()
	w, err := state.NewWriter(a.options())
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		w.Changed()
		w.Moved()
	}))
	shutdown(t, w)
}
