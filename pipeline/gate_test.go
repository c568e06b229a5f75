package pipeline_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestHoldWaitsForTheBatchInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &pipeline.Gate{}
		require.NoError(t, gate.Enter(t.Context()))
		var log []string
		done := make(chan bool)
		go func() { done <- gate.Hold(time.Minute, func() { log = append(log, "held") }) }()
		synctest.Wait()
		require.Empty(t, log, "a batch is inside")
		go func() {
			if gate.Enter(t.Context()) == nil {
				log = append(log, "entered")
				gate.Leave()
			}
			done <- true
		}()
		synctest.Wait()
		gate.Leave()
		require.True(t, <-done)
		require.True(t, <-done)
		require.Equal(t, []string{"held", "entered"}, log, "who comes meanwhile waits")
	})
}

func TestHoldGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &pipeline.Gate{}
		require.NoError(t, gate.Enter(t.Context()))
		began := time.Now()
		require.False(t, gate.Hold(time.Minute, func() { t.Error("called while a batch is inside") }))
		require.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, gate.Enter(t.Context()), "the others go on")
		gate.Leave()
		gate.Leave()
		held := false
		require.True(t, gate.Hold(0, func() { held = true }), "also without patience, when it is empty")
		require.True(t, held)
	})
}

func TestHoldsTakeTurns(t *testing.T) {
	gate := &pipeline.Gate{}
	holding, most, ended := 0, 0, make(chan bool)
	for range 3 {
		go func() {
			ended <- gate.Hold(time.Minute, func() {
				holding++ // a race where two hold
				most = max(most, holding)
				runtime.Gosched()
				holding--
			})
		}()
	}
	for range 3 {
		require.True(t, <-ended)
	}
	require.Equal(t, 1, most)
}

// TestNobodyEntersWhoIsOver: not even where the gate opens at the same moment.
func TestNobodyEntersWhoIsOver(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	gate := &pipeline.Gate{}
	cancel()
	require.ErrorIs(t, gate.Enter(over), context.Canceled, "though it is open")
	synctest.Test(t, func(t *testing.T) {
		gate := &pipeline.Gate{}
		for range 100 { // a select would choose at random
			ctx, cancel := context.WithCancel(t.Context())
			waiting := make(chan error, 1)
			require.True(t, gate.Hold(time.Minute, func() {
				go func() { waiting <- gate.Enter(ctx) }()
				synctest.Wait()
				cancel()
			}))
			require.ErrorIs(t, <-waiting, context.Canceled)
		}
		require.True(t, gate.Hold(0, func() {}), "nobody is inside")
	})
}
