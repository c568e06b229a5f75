package state_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

var _ pipeline.Component = (*state.Writer)(nil)

// Without a start nothing is written: what is kept may not have been resumed.
func TestShutdownWithoutStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w, err := state.NewWriter(a.options())
		require.NoError(t, err)
		_, _ = w.Open(t.Context()) // there is none
		require.True(t, a.disk.Locked())
		w.Changed()
		shutdown(t, w)
		shutdown(t, w)
		require.NoError(t, w.Start(t.Context()))
		w.Changed()
		time.Sleep(time.Hour)
		require.Zero(t, a.takes())
		require.False(t, a.disk.Locked())
		require.ErrorIs(t, w.Sync(t.Context()), state.ErrDegraded)
	})
}

func TestShutdownWritesWhatHasChanged(t *testing.T) {
	for name, tell := range map[string]func(*state.Writer){
		"changed": (*state.Writer).Changed,
		"moved":   (*state.Writer).Moved,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				w := a.start(t)
				begun := time.Now()
				a.set(1)
				w.Changed()
				synctest.Wait()
				a.set(2)
				tell(w)
				shutdown(t, w)
				require.Equal(t, []float64{0, 0}, a.seconds(begun), "at once")
				require.Equal(t, 2, on(t, a.disk))
				require.False(t, a.disk.Locked())
				shutdown(t, w)
				require.Len(t, a.seconds(begun), 2)
			})
		})
	}
}

func TestShutdownDuringAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		release := a.disk.Hold(statetest.SyncFile)
		a.set(1)
		w.Changed()
		synctest.Wait()
		a.set(2)
		w.Changed()
		down := later(func() error { return w.Shutdown(context.Background()) })
		synced := later(func() error { return w.Sync(t.Context()) })
		time.Sleep(2 * time.Second)
		release()
		require.NoError(t, <-down)
		require.NoError(t, <-synced)
		require.Equal(t, 2, on(t, a.disk))
	})
}

func TestShutdownWhileTheDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.disk.Fail(statetest.Write, unix.ENOSPC)
		w.Changed()
		time.Sleep(20 * time.Second)
		before := a.disk.Count(statetest.Write)
		err := w.Shutdown(t.Context())
		require.EqualError(t, err, "write the last state: write the state: write state.json.new: no space left on device")
		require.Equal(t, err, w.Shutdown(t.Context()))
		require.Equal(t, before+1, a.disk.Count(statetest.Write), "once more")
		require.False(t, a.disk.Locked())
	})
}

// A write that hangs does not hold up the end; and when it ends, nothing more is
// asked or written.
func TestShutdownWhileTheDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		release := a.disk.Hold(statetest.SyncFile)
		a.set(1)
		w.Changed()
		synctest.Wait()
		a.set(2)
		w.Changed()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := w.Shutdown(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "write the last state into /var/lib/otelnpd: the disk does not answer")
		require.Equal(t, 3*time.Second, time.Since(begun))
		require.Error(t, w.Shutdown(ctx))
		time.Sleep(time.Hour)
		require.True(t, a.disk.Locked(), "the write is still under way")

		release()
		synctest.Wait()
		require.Equal(t, 1, a.takes())
		require.False(t, a.disk.Locked())
		require.ErrorContains(t, w.Shutdown(t.Context()), "the disk does not answer")
	})
}

// The contract of a component: a context that is over means not to wait.
func TestShutdownWithACancelledContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		release := a.disk.Hold(statetest.Create)
		w.Changed()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, w.Shutdown(ctx), context.Canceled)
		release()
	})
}

func TestShutdownWhileAPipelineStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		w := a.start(t)
		a.onCapture(func() error { return pipeline.ErrStalled })
		w.Changed()
		synctest.Wait()
		require.ErrorIs(t, w.Shutdown(t.Context()), pipeline.ErrStalled)
	})
}

// Where Open had to give up, the end waits for it as for a write.
func TestShutdownWhileOpenHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		release := a.disk.Hold(statetest.Read)
		w, err := state.NewWriter(a.options())
		require.NoError(t, err)
		_, err = w.Open(t.Context())
		require.Error(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.Shutdown(ctx), context.DeadlineExceeded)
		release()
		synctest.Wait()
		require.False(t, a.disk.Locked())
	})
}

func TestStopsAtAnyMoment(t *testing.T) {
	for after := range 60 {
		synctest.Test(t, func(t *testing.T) {
			a := newAgent()
			slow := time.Duration(after) * time.Millisecond
			a.disk.Before(func(statetest.Operation) error {
				time.Sleep(10 * time.Millisecond)
				return nil
			})
			w := a.start(t)
			a.set(1)
			w.Changed()
			time.Sleep(slow)
			a.set(2)
			w.Changed()
			shutdown(t, w)
			require.Equal(t, 2, on(t, a.disk))
			require.False(t, a.disk.Locked())
		})
	}
}

// The clock of the machine does not decide when to write.
func TestWallClockSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		options := a.options()
		clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(0, 0)})
		options.Clock = clock
		w, err := state.NewWriter(options)
		require.NoError(t, err)
		require.NoError(t, w.Start(t.Context()))
		begun := time.Now()
		for i, step := range []time.Duration{0, 50 * 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour} {
			clock.StepWall(step)
			a.set(i + 1)
			w.Changed()
			time.Sleep(5 * time.Second)
			document, err := state.Decode(a.disk.File("state.json"))
			require.NoError(t, err)
			require.Equal(t, clock.Now().Wall.UTC(), document.Written)
		}
		require.Equal(t, []float64{0, 5, 10}, a.seconds(begun))
		shutdown(t, w)
	})
}
