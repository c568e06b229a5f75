package condition_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// Rule 19: a seed that comes late.

func nodeSays(reason string, since time.Duration) condition.Seed {
	return condition.Seed{NodeBootID: pipelinetest.BootID, Conditions: []condition.NodeCondition{{
		Type: "Deadlock", Status: pipeline.ConditionTrue, Reason: reason, Message: "message of hung",
		LastTransitionTime: boot.Add(since), LastHeartbeatTime: boot.Add(50 * time.Minute),
	}}}
}

func TestAnEarlySeed(t *testing.T) {
	b := newBench(t, expectSeed)
	b.ExpectBacklogs(nil)
	b.publish(t)
	require.Equal(t, []string{"snapshot Deadlock=False provisional", "snapshot Slow=False provisional"}, b.transitions())
	require.NoError(t, b.Seed(t.Context(), nodeSays("TaskHung", 40*time.Minute)))
	require.Equal(t, []string{"snapshot Deadlock=True", "snapshot Slow=False"}, b.transitions()[2:])
	require.Equal(t, boot.Add(40*time.Minute), b.Conditions()[0].LastTransitionTime)
	require.True(t, b.Views()[0].Causes[0].Restored)
	<-b.Settled()
	require.ErrorIs(t, b.Seed(t.Context(), condition.Seed{}), condition.ErrSeeded)
}

func TestALateSeedTellsAgainWhatHolds(t *testing.T) {
	b := newBench(t, expectSeed)
	b.publish(t)
	b.ExpectBacklogs([]string{"kmsg"})
	old := b.record("hung", pipeline.StateProblem)
	old.Boot.At, old.Time = 40*time.Minute+time.Second/2, boot.Add(40*time.Minute+time.Second/2)
	b.apply(t, old)
	b.apply(t, &pipeline.Record{EventName: pipeline.EventBacklogEnd, Receiver: "kmsg"})
	b.clock.Advance(time.Minute)
	b.match(t, "oops")
	b.match(t, "slow")
	require.Equal(t, boot.Add(time.Hour), b.Conditions()[0].LastTransitionTime, "as far as is known")
	require.Equal(t, []string{"activation Deadlock=True provisional", "activation Slow=True provisional"}, b.transitions()[2:])
	provisional := b.sink.Records()[2].Transition

	require.NoError(t, b.Seed(t.Context(), nodeSays("TaskHung", 40*time.Minute)))
	require.Equal(t, []string{
		"activation Deadlock=True repeated", "activation Slow=True repeated", "snapshot Deadlock=True", "snapshot Slow=True",
	}, b.transitions()[4:])
	again := b.sink.Records()[4].Transition
	require.Equal(t, provisional.UID, again.UID)
	require.False(t, again.StatusChanged, "the Node showed it already")
	require.Equal(t, boot.Add(40*time.Minute), b.Conditions()[0].LastTransitionTime)
	require.NotNil(t, b.match(t, "oops").Fired, "what acts on no condition goes on counting")
	<-b.Settled()
}

func TestALateSeedThatNoRuleExplainsIsWarnedOf(t *testing.T) {
	b := newBench(t, expectSeed)
	require.NoError(t, b.Seed(t.Context(), nodeSays("Gone", 40*time.Minute)))
	require.Contains(t, b.logs.String(), `command="otelnpd conditions clear Deadlock"`)
}

func TestALateSeedAfterAReload(t *testing.T) {
	b := newBench(t, expectSeed)
	b.match(t, "hung")
	changed := config()
	changed.Rules = changed.Rules[1:]
	b.clock.Advance(time.Minute)
	require.NoError(t, b.Configure(changed))
	require.NoError(t, b.Seed(t.Context(), nodeSays("TaskHung", 40*time.Minute)))
	require.Equal(t, "RuleRemoved", b.Conditions()[0].Reason)
}

func TestFloodsBeforeALateSeedAreBounded(t *testing.T) {
	b := newBench(t, expectSeed)
	b.match(t, "hung")
	b.clock.Advance(2 * time.Minute)
	for range 40_000 { // repeats of one cause take one place
		b.match(t, "hung")
	}
	require.Empty(t, b.logs.String())
	last := b.Views()[0].Causes[0].Last
	b.clock.Advance(time.Second)
	for range 20_000 { // where a ttl runs, each counts
		b.match(t, "slow")
	}
	require.Contains(t, b.logs.String(), "the oldest of it will be judged without them")
	require.NoError(t, b.Seed(t.Context(), condition.Seed{}))
	require.Equal(t, last, b.Views()[0].Causes[0].Last)
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[1].Status)
}

func TestLongMessagesBeforeALateSeedAreBoundedInBytes(t *testing.T) {
	b := newBench(t, expectSeed)
	b.clock.Advance(2 * time.Minute)
	long := func() {
		record := b.record("slow", pipeline.StateProblem)
		record.Problem.Message = strings.Repeat("m", condition.MaxMessageBytes)
		b.apply(t, record)
	}
	for range 800 {
		long()
	}
	require.Empty(t, b.logs.String())
	for range 200 {
		long()
	}
	require.Contains(t, b.logs.String(), "the oldest of it will be judged without them")
	require.NoError(t, b.Seed(t.Context(), condition.Seed{}))
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[1].Status)
}

func TestSteadyVerdictsBeforeALateSeedTakeOnePlace(t *testing.T) {
	b := newBench(t, expectSeed)
	changed := config()
	changed.Rules = append(changed.Rules, condition.Rule{ID: "ntp", Condition: "Deadlock", Reason: "NtpDown", Level: true})
	require.NoError(t, b.Configure(changed))
	for range 40_000 {
		b.clock.Advance(time.Second)
		verdict := b.record("ntp", pipeline.StateOK)
		verdict.Problem.Verdict = &pipeline.Verdict{Boot: pipelinetest.BootID, Start: b.clock.Now().Boot}
		b.apply(t, verdict)
	}
	require.Empty(t, b.logs.String())
	require.NoError(t, b.Seed(t.Context(), nodeSays("TaskHung", 40*time.Minute)))
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[0].Status)
}

func TestSeedOfAStoreWithoutConfiguration(t *testing.T) {
	require.ErrorIs(t, condition.NewStore(condition.Options{}).Seed(t.Context(), condition.Seed{}), condition.ErrNotConfigured)
}
