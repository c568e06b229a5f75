package conditions_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/processors/conditions"
)

const receiver = "kmsg"

// newStore is a store with one event, one observed rule and one condition, whose
// sinks are to.
func newStore(t *testing.T, to ...pipeline.Consumer) *condition.Store {
	t.Helper()
	settings := pipelinetest.Settings(t, "conditions")
	store := condition.NewStore(condition.Options{
		Clock: settings.Clock, Boot: settings.Boot, Node: settings.Node, Logger: settings.Logger,
	})
	require.NoError(t, store.Configure(&condition.Config{
		Types: []condition.Type{{Name: "KernelDeadlock", HealthyReason: "KernelHasNoDeadlock", HealthyMessage: "kernel has no deadlock"}},
		Rules: []condition.Rule{
			{ID: "oops", Reason: "KernelOops"},
			{ID: "seen", Reason: "Seen", Condition: "KernelDeadlock", Observe: true},
			{ID: "hung", Reason: "DockerHung", Condition: "KernelDeadlock"},
		},
	}))
	store.Publish(t.Context(), to)
	return store
}

func newProcessor(t *testing.T, settings pipeline.Settings, store *condition.Store, next pipeline.Consumer) pipeline.Processor {
	t.Helper()
	processor, err := conditions.NewFactory(store).Create(settings, conditions.NewFactory(store).DefaultConfig(), next)
	require.NoError(t, err)
	return processor
}

func problem(at uint64, rule, reason, conditionType string) pipeline.Record {
	return pipelinetest.ProblemRecord(receiver, at, pipeline.Problem{
		Rule: rule, Reason: reason, Condition: conditionType, Message: "line of " + rule, State: pipeline.StateProblem,
	})
}

func mark() pipeline.Record {
	record := pipelinetest.Lines(receiver, 99, "")[0]
	record.EventName = pipeline.EventBacklogEnd
	return record
}

func batch() []pipeline.Record {
	other := pipelinetest.Lines(receiver, 4, "a line that no rule has forgotten")[0]
	return []pipeline.Record{
		problem(1, "oops", "KernelOops", ""),
		problem(2, "hung", "DockerHung", "KernelDeadlock"),
		problem(3, "oops", "KernelOops", ""),
		other,
		mark(),
	}
}

func TestContract(t *testing.T) {
	pipelinetest.CheckProcessor(t, pipelinetest.ProcessorUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Processor {
			t.Helper()
			return newProcessor(t, pipelinetest.Settings(t, "conditions"), newStore(t), next)
		},
		Batches: [][]pipeline.Record{batch()},
	})
}

// told writes what a sink got as one word a record.
func told(records []pipeline.Record) (words []string) {
	for _, record := range records {
		switch {
		case record.Transition != nil && record.Transition.Kind == pipeline.TransitionSnapshot:
		case record.Transition != nil:
			words = append(words, record.Transition.Condition.Type+"="+string(record.Transition.Condition.Status))
		case record.Problem != nil:
			words = append(words, record.Problem.Reason)
		default:
			words = append(words, string(record.Body))
		}
	}
	return words
}

func TestProblemsAndTransitionsKeepTheirOrder(t *testing.T) {
	exporter := &pipelinetest.Sink{}
	processor := newProcessor(t, pipelinetest.Settings(t, "conditions"), newStore(t, exporter), exporter)
	require.NoError(t, processor.Consume(t.Context(), batch()))
	require.Equal(t, []string{"KernelOops", "KernelDeadlock=True", "KernelOops", "a line that no rule has forgotten"},
		told(exporter.Records()), "the problem of a condition is told by the store, and the mark ends here")
}

func TestObservedProblemsGoOnAndTurnNothing(t *testing.T) {
	next, exporter := &pipelinetest.Sink{}, &pipelinetest.Sink{}
	processor := newProcessor(t, pipelinetest.Settings(t, "conditions"), newStore(t, exporter), next)
	require.NoError(t, processor.Consume(t.Context(), []pipeline.Record{problem(1, "seen", "Seen", "KernelDeadlock")}))
	require.Equal(t, []string{"Seen"}, told(next.Records()))
	require.True(t, next.Records()[0].Problem.Observe)
	require.Empty(t, told(exporter.Records()))
}

func TestRefusalOfANextStageIsPassedOn(t *testing.T) {
	down := errors.New("going down")
	refuse := pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return down })
	processor := newProcessor(t, pipelinetest.Settings(t, "conditions"), newStore(t), refuse)
	require.ErrorIs(t, processor.Consume(t.Context(), batch()), down)

	processor = newProcessor(t, pipelinetest.Settings(t, "conditions"), newStore(t, refuse), &pipelinetest.Sink{})
	require.ErrorIs(t, processor.Consume(t.Context(), batch()), down, "a sink of the store refused")
}

func TestDropsAreCounted(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	settings := pipelinetest.Settings(t, "conditions")
	settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	processor := newProcessor(t, settings, newStore(t), &pipelinetest.Sink{})
	require.NoError(t, processor.Consume(t.Context(), []pipeline.Record{problem(1, "nobody", "Unheard", "")}))

	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	got := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name != "otelnpd.conditions.dropped_problems" {
			continue
		}
		sum, ok := m.Data.(metricdata.Sum[int64])
		require.True(t, ok)
		for _, point := range sum.DataPoints {
			reason, _ := point.Attributes.Value("reason")
			got[reason.AsString()] = point.Value
		}
	}
	require.Len(t, got, len(condition.Drops), "every reason is published from the start")
	require.Equal(t, int64(1), got[string(condition.DropUnknownRule)])
}

func TestEveryDropIsInTheREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, drop := range condition.Drops {
		require.Contains(t, string(readme), "`"+string(drop)+"`")
	}
}
