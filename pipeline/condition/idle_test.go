package condition_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// TestAnIdleNodeWritesNothing lets a node on which all is well and checks run live for
// a day: its state is never written.
func TestAnIdleNodeWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		clock := bubbleClock{start}
		var changed, moved atomic.Int64
		b := newUnconfigured(func(o *condition.Options) {
			o.Clock, o.Boot.Start = clock, start.Add(-time.Hour)
			o.Keeping = pipeline.Keeping{OnChanged: func() { changed.Add(1) }, OnMoved: func() { moved.Add(1) }}
		})
		config := config()
		config.Rules = append(config.Rules, condition.Rule{ID: "ntp", Condition: "Slow", Reason: "NtpDown", Level: true, For: time.Minute})
		require.NoError(t, b.Configure(config))
		b.begin(t)
		require.NoError(t, b.Start(t.Context()))
		b.ends(t, "kmsg")
		check := func(state pipeline.State) {
			now := clock.Now()
			b.apply(t, &pipeline.Record{
				EventName: pipeline.EventProblem, Time: now.Wall, Boot: pipeline.BootTime{ID: pipelinetest.BootID, At: now.Boot}, Receiver: "plugin",
				Problem: &pipeline.Problem{
					UID: pipeline.VerdictUID("node-1", pipelinetest.BootID, "ntp", "", now.Boot), Rule: "ntp", Condition: "Slow", Reason: "NtpDown",
					State: state, Count: 1, Verdict: &pipeline.Verdict{Boot: pipelinetest.BootID, Start: now.Boot},
				},
			})
		}
		heartbeat := func() {
			for _, c := range b.Conditions() {
				b.NotePatched(c)
			}
		}
		check(pipeline.StateOK)
		heartbeat()
		time.Sleep(2 * time.Minute) // all that a start waits for
		synctest.Wait()
		changed.Store(0)
		moved.Store(0)
		for range 24 * 12 {
			heartbeat()
			for range 10 {
				time.Sleep(30 * time.Second)
				check(pipeline.StateOK)
			}
			b.SourceDegraded("kmsg", false)
		}
		check(pipeline.StateUnknown)
		require.Zero(t, changed.Load())
		require.Zero(t, moved.Load())
		time.Sleep(time.Second)
		check(pipeline.StateProblem)
		require.EqualValues(t, 1, changed.Load(), "a pending problem is kept")
		require.NoError(t, b.Shutdown(t.Context()))
	})
}

// What a timer does while something else is judged, or dropped, is kept as well.
func TestWhatATimerDoesOnTheWayIsKept(t *testing.T) {
	for name, other := range map[string]string{"dropped": "nobody", "repeat": "hung"} {
		t.Run(name, func(t *testing.T) {
			var changed atomic.Int64
			b := newBench(t, func(o *condition.Options) { o.Keeping.OnChanged = func() { changed.Add(1) } })
			b.match(t, "hung")
			b.match(t, "slow")
			b.clock.Advance(time.Hour)
			changed.Store(0)
			b.match(t, other)
			require.Equal(t, pipeline.ConditionFalse, b.Conditions()[1].Status, "its time was over")
			require.EqualValues(t, 1, changed.Load())
		})
	}
}
