package condition_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// silence silences a rule from now on; then a second passes.
func (b *bench) silence(t *testing.T, rule string, lasting time.Duration) {
	t.Helper()
	_, err := b.Silence(rule, lasting, "request")
	require.NoError(t, err)
	b.clock.Advance(time.Second)
}

func TestASilencedRuleMakesNoCause(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	b.silence(t, "hung", time.Minute)
	result := b.match(t, "hung")
	require.NotNil(t, result.Fired, "it goes on as of a rule that observes")
	require.True(t, result.Fired.Observe)
	require.Equal(t, pipeline.ConditionFalse, b.Conditions()[0].Status)
	require.Len(t, b.transitions(), 2)

	b.clock.Advance(time.Minute)
	require.Nil(t, b.match(t, "hung").Fired)
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[0].Status, "it is over by itself")
}

func TestASilencedEventObserves(t *testing.T) {
	b := newBench(t)
	b.silence(t, "oops", time.Minute)
	require.Nil(t, b.match(t, "oops").Fired, "its threshold holds")
	require.True(t, b.match(t, "oops").Fired.Observe)
}

func TestSilenceIsNotHealth(t *testing.T) {
	b := newBench(t)
	b.match(t, "hung")
	b.match(t, "slow")
	b.silence(t, "hung", time.Hour)
	b.silence(t, "slow", time.Hour)
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[0].Status, "what it holds it goes on to hold")
	require.NoError(t, b.Clear(t.Context(), "Deadlock", "r"))
	b.clock.Advance(2 * time.Second)
	b.match(t, "hung")
	require.Equal(t, pipeline.ConditionFalse, b.Conditions()[0].Status, "with a clear it is quiet")
	b.clock.Advance(2 * time.Minute)
	b.FirstVerdictsIn() // any input lets the timers act
	require.Equal(t, pipeline.ConditionFalse, b.Conditions()[1].Status, "what ends a cause still does")
}

// A line is judged by when it happened, in whichever life it is read.
func TestALineIsSilencedByWhenItHappened(t *testing.T) {
	b := newBench(t)
	before := b.record("hung", pipeline.StateProblem)
	b.clock.Advance(time.Second)
	b.silence(t, "hung", time.Minute)
	during := b.record("hung", pipeline.StateProblem)
	silenced := b.keep(t)
	b.clock.Advance(2 * time.Minute)

	late := b.again(t, silenced, config())
	late.apply(t, during)
	require.Equal(t, pipeline.ConditionFalse, late.Conditions()[0].Status)
	late.apply(t, before)
	require.Empty(t, late.Views()[0].Causes, "of one source the later came first: it is a replay")

	other := b.again(t, silenced, config())
	other.apply(t, before)
	require.Equal(t, pipeline.ConditionTrue, other.Conditions()[0].Status)
}

func TestASilenceOutlivesAReboot(t *testing.T) {
	b := newBench(t)
	b.silence(t, "hung", 3*time.Hour)
	reboot := func(after time.Duration) *bench {
		clock := pipelinetest.NewClock(pipeline.Instant{Wall: boot.Add(time.Hour + after), Boot: time.Minute})
		next := b.again(t, b.keep(t), config(), inBoot("another"), func(o *condition.Options) { o.Clock = clock })
		next.clock = clock
		next.publish(t)
		return next
	}
	next := reboot(time.Hour)
	require.Len(t, next.Silences(), 1)
	require.Equal(t, boot.Add(4*time.Hour), next.Silences()[0].Until)
	require.Empty(t, reboot(4*time.Hour).Silences(), "it was over before")

	b.clock.StepWall(-100 * time.Hour)
	stepped := b.again(t, b.keep(t), config(), func(o *condition.Options) { o.Clock = b.clock })
	stepped.clock.Advance(3 * time.Hour)
	require.Empty(t, stepped.Silences(), "the wall clock has no say within a boot")
}

func TestSilencesAreBoundedAndChecked(t *testing.T) {
	b := newBench(t)
	for rule, want := range map[string]string{"nobody": "no such rule", "hung": "out of range"} {
		lasting := time.Hour
		if rule == "hung" {
			lasting = time.Millisecond
		}
		_, err := b.Silence(rule, lasting, "r")
		require.ErrorContains(t, err, want)
	}
	_, err := b.Silence("hung", 32*24*time.Hour, "r")
	require.ErrorContains(t, err, "out of range")
	_, err = b.Unsilence("nobody")
	require.ErrorIs(t, err, condition.ErrUnknownRule)
	was, err := b.Unsilence("hung")
	require.NoError(t, err)
	require.False(t, was)

	b.silence(t, "hung", time.Hour)
	b.silence(t, "hung", 2*time.Hour)
	require.Len(t, b.Silences(), 1, "the last word counts")
	require.Equal(t, "hung", b.Rules()[0].Silence.Rule)
	require.Nil(t, b.Rules()[1].Silence)
	was, err = b.Unsilence("hung")
	require.NoError(t, err)
	require.True(t, was)
	require.Empty(t, b.Silences())

	changed := config()
	changed.Rules = changed.Rules[1:]
	b.silence(t, "hung", time.Hour)
	require.NoError(t, b.Configure(changed))
	require.Empty(t, b.Silences(), "it goes with its rule")
	_, err = condition.NewStore(condition.Options{}).Silence("hung", time.Hour, "r")
	require.ErrorIs(t, err, condition.ErrNotConfigured)
}

func TestASilencedCheckHoldsWhatItHeld(t *testing.T) {
	checked := &condition.Config{
		Hash: "check", Types: []condition.Type{{Name: "Clock", HealthyReason: "ClockIsRight"}},
		Rules: []condition.Rule{{ID: "ntp", Condition: "Clock", Reason: "ClockIsWrong", Level: true}},
	}
	b := newUnconfigured()
	require.NoError(t, b.Configure(checked))
	verdict := func(state pipeline.State) condition.Result {
		b.clock.Advance(time.Second)
		record := b.record("ntp", state)
		record.Place = pipeline.Place{}
		record.Problem.Verdict = &pipeline.Verdict{Boot: pipelinetest.BootID, Start: record.Boot.At}
		return b.apply(t, record)
	}
	verdict(pipeline.StateOK)
	b.silence(t, "ntp", time.Hour)
	require.True(t, verdict(pipeline.StateProblem).Fired.Observe)
	require.Nil(t, verdict(pipeline.StateUnknown).Fired)
	require.Equal(t, pipeline.ConditionFalse, b.Conditions()[0].Status)
	_, err := b.Unsilence("ntp")
	require.NoError(t, err)
	verdict(pipeline.StateProblem)
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[0].Status)
	b.silence(t, "ntp", time.Hour)
	verdict(pipeline.StateProblem)
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[0].Status)
	verdict(pipeline.StateOK)
	require.Equal(t, pipeline.ConditionFalse, b.Conditions()[0].Status, "an ok is heard")
}

func TestSilencesAreCounted(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	b := newBench(t)
	require.NoError(t, b.RegisterSilenceMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")))
	b.silence(t, "hung", time.Minute)
	b.match(t, "hung")
	b.match(t, "hung")
	require.Equal(t, map[string]int64{"otelnpd.rules.silenced hung": 1, "otelnpd.rules.silenced_problems hung": 2}, read(t, reader))
	b.clock.Advance(time.Hour)
	require.Equal(t, map[string]int64{"otelnpd.rules.silenced_problems hung": 2}, read(t, reader))
}

// read returns all series as NAME and their labels' values.
func read(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &all))
	values := map[string]int64{}
	add := func(name string, attributes attribute.Set, value int64) {
		words := []string{name}
		for _, label := range attributes.ToSlice() {
			words = append(words, label.Value.String())
		}
		values[strings.Join(words, " ")] = value
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, point := range data.DataPoints {
					add(m.Name, point.Attributes, point.Value)
				}
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					add(m.Name, point.Attributes, point.Value)
				}
			}
		}
	}
	return values
}
