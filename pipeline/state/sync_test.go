package state_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

// later runs f beside the test; its error comes through the channel.
func later(f func() error) <-chan error {
	errs := make(chan error, 1)
	go func() { errs <- f() }()
	return errs
}

func TestSyncSharesAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		begun := time.Now()
		a.set(1)
		w.Changed()
		synctest.Wait()
		a.set(2)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if err := w.Sync(t.Context()); err != nil {
					t.Error(err)
				}
				if on(t, a.disk) != 2 {
					t.Error("what was kept before the call is not on the disk")
				}
			})
		}
		all.Wait()
		require.Equal(t, []float64{0, 1}, a.seconds(begun))
		shutdown(t, w)
	})
}

// A write that is under way took its cut before.
func TestSyncWaitsForTheNextCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		release := a.disk.Hold(statetest.SyncFile)
		a.set(1)
		w.Changed()
		synctest.Wait()
		a.set(2) // and nobody tells of it
		synced := later(func() error { return w.Sync(t.Context()) })
		synctest.Wait()
		release()
		require.NoError(t, <-synced)
		require.Equal(t, 2, on(t, a.disk))
		shutdown(t, w)
	})
}

// Who waits hears of a failure at once, and of the repair soon, whatever the
// back-off.
func TestSyncWhileTheDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.disk.Fail(statetest.Write, unix.ENOSPC)
		a.set(1)
		w.Changed()
		time.Sleep(40 * time.Second) // in the middle of a wait of 30 s
		begun := time.Now()
		err := w.Sync(t.Context())
		require.EqualError(t, err, "state is degraded: write the state: write state.json.new: no space left on device")
		require.LessOrEqual(t, time.Since(begun), time.Second)
		a.disk.Fail(statetest.Write, nil)
		require.NoError(t, w.Sync(t.Context()))
		require.LessOrEqual(t, time.Since(begun), 2*time.Second)
		shutdown(t, w)
	})
}

// A repair that only a Sync asked for is not forgotten.
func TestFailedSyncIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.disk.Fail(statetest.Write, unix.EIO)
		a.set(1)
		require.Error(t, w.Sync(t.Context()))
		a.disk.Fail(statetest.Write, nil)
		time.Sleep(time.Minute)
		require.Equal(t, 1, on(t, a.disk))
		a.requireOK(t)
		shutdown(t, w)
	})
}

func TestSyncEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		require.NoError(t, w.Sync(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, w.Sync(ctx), context.DeadlineExceeded)
		shutdown(t, w)
	})
}

func TestSyncBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w, err := state.NewWriter(a.options())
		require.NoError(t, err)
		a.set(1)
		synced := later(func() error { return w.Sync(t.Context()) })
		time.Sleep(time.Minute)
		require.NoError(t, w.Start(t.Context()))
		require.NoError(t, <-synced)
		require.Equal(t, 1, on(t, a.disk))
		shutdown(t, w)
		require.EqualError(t, w.Sync(t.Context()), "state is degraded: the agent is shutting down")
	})
}

// A disk that does not answer is told of after five seconds; nobody waits for it.
func TestDiskThatHangs(t *testing.T) {
	for _, operation := range []statetest.Operation{
		statetest.Lock, statetest.Create, statetest.Write, statetest.SyncFile, statetest.Rename, statetest.SyncDir,
	} {
		t.Run(string(operation), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkHang(t, operation) })
		})
	}
}

func checkHang(t *testing.T, operation statetest.Operation) {
	t.Helper()
	a := newAgent()
	w := a.start(t)
	a.set(1)
	require.NoError(t, w.Sync(t.Context()))
	release := a.disk.Hold(operation)
	a.set(2)
	first := later(func() error { return w.Sync(t.Context()) })
	time.Sleep(3 * time.Second) // the write begins after one of them
	a.set(3)
	second := later(func() error { return w.Sync(t.Context()) })
	time.Sleep(2900 * time.Millisecond)
	a.requireOK(t)
	time.Sleep(200 * time.Millisecond)
	a.requireDegraded(t, "the disk does not answer: a write takes more than 5s", "look at the disk of /var/lib/otelnpd")
	require.ErrorIs(t, <-first, state.ErrDegraded)
	require.ErrorIs(t, <-second, state.ErrDegraded)

	begun := time.Now()
	require.ErrorContains(t, w.Sync(t.Context()), "state is degraded: the disk does not answer")
	require.Zero(t, time.Since(begun))
	for range 1000 {
		w.Changed()
		w.Moved()
	}
	time.Sleep(time.Hour)
	require.Len(t, a.statuses, 2)

	release()
	synctest.Wait()
	a.requireOK(t)
	require.Equal(t, 2, on(t, a.disk))
	require.NoError(t, w.Sync(t.Context()))
	require.Equal(t, 3, on(t, a.disk))
	shutdown(t, w)
}

// Who is answered that the disk hangs finds the status told, however slow that is.
func TestHangIsToldBeforeItIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		options := a.options()
		report := options.Report
		options.Report = func(status pipeline.Status) {
			if status.State == pipeline.ComponentDegraded { // what is told later is told with a lock held, and the end waits for that
				time.Sleep(time.Second)
			}
			report(status)
		}
		w, err := state.NewWriter(options)
		require.NoError(t, err)
		require.NoError(t, w.Start(t.Context()))
		require.NoError(t, w.Sync(t.Context()))
		release := a.disk.Hold(statetest.SyncFile)
		a.set(1)
		require.ErrorIs(t, w.Sync(t.Context()), state.ErrDegraded)
		a.requireDegraded(t, "the disk does not answer", "look at the disk")
		release()
		shutdown(t, w)
	})
}

// A write that hangs and then fails is degraded for its error.
func TestHangThatEndsInAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		release := a.disk.Hold(statetest.SyncFile)
		w.Changed()
		time.Sleep(time.Minute)
		a.requireDegraded(t, "the disk does not answer", "look at the disk")
		a.disk.Fail(statetest.SyncFile, unix.EIO)
		release()
		synctest.Wait()
		a.requireDegraded(t, "input/output error", "look at the disk")
		a.disk.Fail(statetest.SyncFile, nil)
		time.Sleep(time.Minute)
		a.requireOK(t)
		shutdown(t, w)
	})
}

// Ten components and two operators at once, with a disk that fails now and then.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range 200 {
					w.Changed()
					w.Moved()
					time.Sleep(7 * time.Millisecond)
				}
			})
		}
		for range 2 {
			all.Go(func() {
				for i := range 20 {
					a.set(i)
					_ = w.Sync(t.Context()) // it fails now and then
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		all.Go(func() {
			for i := range 20 {
				if a.disk.Fail(statetest.Write, nil); i%3 == 0 {
					a.disk.Fail(statetest.Write, unix.EIO)
				}
				time.Sleep(500 * time.Millisecond)
			}
			a.disk.Fail(statetest.Write, nil)
		})
		all.Wait()
		a.set(1000)
		require.NoError(t, w.Sync(t.Context()))
		require.Equal(t, 1000, on(t, a.disk))
		shutdown(t, w)
	})
}
