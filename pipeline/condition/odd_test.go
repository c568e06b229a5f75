package condition_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Odd records must not keep the state from being written, nor come back as others.

func TestBytesThatAreNoTextComeBackAsTheSameInstance(t *testing.T) {
	rule := condition.Rule{ID: "r", HasInstances: true, Clear: condition.Clear{By: condition.ClearByRecovery}}
	b := benchOf(t, rule)
	say := func(b *bench, state pipeline.State) {
		record := b.sees(rule, state)
		record.Problem.Instance, record.Problem.Message = "\xff\xfe disk", "bad \xff"
		record.Receiver, record.Place.Source = "km\xffsg", "file \xfe"
		b.apply(t, record)
	}
	say(b, pipeline.StateProblem)
	require.Equal(t, `\xff\xfe disk`, b.Views()[0].Causes[0].Instance)
	next := b.again(t, b.keep(t), oneRule(rule))
	next.publish(t)
	require.Equal(t, b.Views(), next.Views())
	next.clock.Advance(time.Second)
	say(next, pipeline.StateOK)
	require.Equal(t, pipeline.ConditionFalse, next.Conditions()[0].Status)
}

func TestTimesThatNoTextCanHoldAreTakenForNow(t *testing.T) {
	for _, odd := range []time.Time{time.Unix(1<<40, 0), time.Unix(-1<<40, 0)} {
		rule := condition.Rule{ID: "r", UpdateMessage: true}
		b := benchOf(t, rule, expectSeed)
		require.NoError(t, b.Seed(t.Context(), condition.Seed{Conditions: []condition.NodeCondition{{
			Type: "Slow", Status: pipeline.ConditionTrue, Reason: "X", LastTransitionTime: odd, LastHeartbeatTime: odd,
		}}}))
		record := b.sees(rule, pipeline.StateProblem)
		record.Time = odd
		b.apply(t, record)
		b.keep(t)
		require.WithinDuration(t, b.clock.Now().Wall, b.Views()[0].Causes[0].Since, time.Second)
		b.NotePatched(pipeline.Condition{Type: "Slow", Status: pipeline.ConditionTrue, LastTransitionTime: odd})
		b.keep(t)
	}
}
