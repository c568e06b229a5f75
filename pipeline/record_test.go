package pipeline_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestCloneSharesNoMemory(t *testing.T) {
	record := pipelinetest.ProblemRecord("kmsg", 7, pipeline.Problem{Rule: "r", Reason: "KernelOops", Message: "oops"})
	record.Transition = &pipeline.Transition{Source: "otelnpd"}
	clone := record.Clone()

	record.Body[0] = 'X'
	record.Problem.Reason = "Other"
	record.Transition.Source = "other"
	list, ok := record.Attributes.(pipeline.AttributeList)
	require.True(t, ok)
	list[0] = attribute.String("x", "y")

	require.Equal(t, "oops", string(clone.Body))
	require.Equal(t, "KernelOops", clone.Problem.Reason)
	require.Equal(t, "otelnpd", clone.Transition.Source)
	facility, ok := clone.Attribute("log.facility")
	require.True(t, ok)
	require.Equal(t, "kern", facility.AsString())
}

func TestAttributeOfARecordWithoutAny(t *testing.T) {
	var record pipeline.Record
	_, ok := record.Attribute("log.facility")
	require.False(t, ok)
	require.True(t, record.IsLine())
	require.Nil(t, record.Clone().Attributes)
}

func TestAttributeListStopsWhenAsked(t *testing.T) {
	list := pipeline.AttributeList{attribute.String("a", "1"), attribute.Int("b", 2)}
	for key := range list.All() {
		require.Equal(t, "a", key)
		break
	}
	_, ok := list.Get("c")
	require.False(t, ok)
}

func TestFanOutAsksEveryoneAndJoinsErrors(t *testing.T) {
	failure := errors.New("going down")
	first, last := &pipelinetest.Sink{}, &pipelinetest.Sink{}
	refuse := pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return failure })

	err := pipeline.FanOut(first, refuse, last).Consume(t.Context(), pipelinetest.Lines("kmsg", 1, "a", "b"))

	require.ErrorIs(t, err, failure)
	require.Equal(t, []string{"a", "b"}, first.Lines())
	require.Equal(t, []string{"a", "b"}, last.Lines())
}

func TestStatesHaveNames(t *testing.T) {
	require.Equal(t, "unknown", pipeline.State(0).String(), "silence is not health")
	require.Equal(t, "ok", pipeline.StateOK.String())
	require.Equal(t, "problem", pipeline.StateProblem.String())
	require.Equal(t, "State(9)", pipeline.State(9).String())
	require.Equal(t, "activation", pipeline.TransitionActivation.String())
	require.Equal(t, "TransitionKind(9)", pipeline.TransitionKind(9).String())
	require.Equal(t, "degraded", pipeline.ComponentDegraded.String())
	require.Equal(t, "ComponentState(9)", pipeline.ComponentState(9).String())
}

func TestStatesAsText(t *testing.T) {
	for _, state := range []pipeline.State{pipeline.StateUnknown, pipeline.StateOK, pipeline.StateProblem} {
		text, err := state.MarshalText()
		require.NoError(t, err)
		var back pipeline.State
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, state, back)
	}
	var state pipeline.State
	require.EqualError(t, state.UnmarshalText([]byte("bad")), `"bad" is no state: want unknown, ok or problem`)
}
