package condition_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestAMatchReachesTheSinks(t *testing.T) {
	settings := pipelinetest.Settings(t, "conditions")
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: start.Add(time.Hour), Boot: time.Hour})
	store := condition.NewStore(condition.Options{
		Clock: clock, Boot: pipeline.Boot{ID: pipelinetest.BootID, Start: start}, Node: "node-1", Logger: settings.Logger,
	})
	require.NoError(t, store.Configure(&condition.Config{
		Types: []condition.Type{{Name: "KernelDeadlock", HealthyReason: "KernelHasNoDeadlock", HealthyMessage: "kernel has no deadlock"}},
		Rules: []condition.Rule{{ID: "kernel/task-hung", Condition: "KernelDeadlock", Reason: "TaskHung"}},
	}))
	sink := &pipelinetest.Sink{}
	store.Publish(t.Context(), []pipeline.Consumer{sink})
	record := pipelinetest.ProblemRecord("kmsg", 7, pipeline.Problem{
		Rule: "kernel/task-hung", Condition: "KernelDeadlock", Reason: "TaskHung", Message: "task x hung", State: pipeline.StateProblem,
	})
	result, err := store.Apply(t.Context(), &record)
	require.NoError(t, err)
	require.Equal(t, condition.Result{}, result)
	records := sink.Records()
	require.Len(t, records, 2)
	require.Equal(t, `Node condition KernelDeadlock is now: True, reason: TaskHung, message: "task x hung"`, records[1].Transition.EventMessage)
}
