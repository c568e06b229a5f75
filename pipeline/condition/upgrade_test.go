package condition_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// An upgrade: the agent is started anew under another configuration, perhaps in
// another boot, perhaps while the Node cannot be read.

func oneRule(rule condition.Rule) *condition.Config {
	c := config()
	rule.Condition = "Deadlock"
	if rule.Reason == "" {
		rule.Reason = "TaskHung"
	}
	c.Rules = []condition.Rule{rule}
	c.Hash = "of " + rule.ID + string(rule.Clear.By)
	return c
}

// benchOf is a store under one rule on the condition Deadlock.
func benchOf(t *testing.T, rule condition.Rule, change ...func(*condition.Options)) *bench {
	t.Helper()
	b := newUnconfigured(change...)
	require.NoError(t, b.Configure(oneRule(rule)))
	b.begin(t)
	return b
}

// begin lets a store that is configured go on as the agent does.
func (b *bench) begin(t *testing.T) {
	t.Helper()
	b.ExpectBacklogs([]string{"kmsg"})
	b.publish(t)
}

func (b *bench) ends(t *testing.T, receiver string) {
	t.Helper()
	b.apply(t, &pipeline.Record{
		EventName: pipeline.EventBacklogEnd, Receiver: receiver,
		Attributes: pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, true)},
	})
}

// sees makes a record of a rule's match or recovery as the rules processor does.
func (b *bench) sees(rule condition.Rule, state pipeline.State) *pipeline.Record {
	record := b.record(rule.ID, state)
	record.Problem.Condition, record.Problem.Reason = "Deadlock", "TaskHung"
	if rule.Level {
		now := b.clock.Now()
		record.Place, record.Problem.Verdict = pipeline.Place{}, &pipeline.Verdict{Boot: pipelinetest.BootID, Start: now.Boot}
		record.Problem.UID = pipeline.VerdictUID("node-1", pipelinetest.BootID, rule.ID, "", now.Boot)
	}
	return record
}

func TestARenamedRuleHoldsWhatItHeldOverTheBootOfItsUpgrade(t *testing.T) {
	for name, rule := range map[string]condition.Rule{
		"latched": {ID: "old", Clear: condition.Clear{By: condition.ClearByLatched}},
		"check":   {ID: "old", Level: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := benchOf(t, rule)
			b.apply(t, b.sees(rule, pipeline.StateProblem))
			require.Equal(t, pipeline.ConditionTrue, b.Conditions()[0].Status)
			renamed := rule
			renamed.ID, renamed.Formerly = "new", []condition.Former{{ID: "old"}}
			for _, late := range []bool{false, true} {
				next := b.again(t, b.keep(t), oneRule(renamed), inBoot("another"), func(o *condition.Options) { o.ExpectSeed = late })
				next.begin(t)
				if late {
					require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
				}
				require.Equal(t, pipeline.ConditionTrue, next.Conditions()[0].Status, "late seed: %t", late)
				require.Equal(t, "new", next.Views()[0].Causes[0].Rule)
			}
		})
	}
}

func TestARemovedRuleThatABootEndsAnywayIsToldOnce(t *testing.T) {
	b := benchOf(t, condition.Rule{ID: "old"})
	b.apply(t, b.sees(condition.Rule{ID: "old"}, pipeline.StateProblem))
	next := b.again(t, b.keep(t), oneRule(condition.Rule{ID: "else", Reason: "Else"}), inBoot("another"))
	next.begin(t)
	require.Equal(t, []string{"snapshot Deadlock=True provisional", "snapshot Slow=False provisional", "status Deadlock=False"}, next.transitions())
	require.Equal(t, "NoDeadlock", next.Conditions()[0].Reason, "the boot came before the configuration")
}

func TestATimerThatAnUpgradeBringsRunsFromTheNewestMatch(t *testing.T) {
	b := benchOf(t, condition.Rule{ID: "r"})
	b.apply(t, b.sees(condition.Rule{ID: "r"}, pipeline.StateProblem))
	timed := oneRule(condition.Rule{ID: "r", Clear: condition.Clear{By: condition.ClearByTTL, TTL: time.Minute}})
	for _, receivers := range [][]string{{"kmsg"}, nil} {
		next := b.again(t, b.keep(t), timed, expectSeed)
		next.ExpectBacklogs(receivers)
		next.publish(t)
		require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
		require.Equal(t, pipeline.ConditionTrue, next.Conditions()[0].Status, "receivers: %v", receivers)
	}
}

// What waits for the Node knows the rules by the names that they had.
func TestWhatWaitsForTheNodeKnowsRenamedRules(t *testing.T) {
	old := condition.Rule{ID: "old", Clear: condition.Clear{By: condition.ClearByRecovery}}
	renamed := old
	renamed.ID, renamed.Formerly = "new", []condition.Former{{ID: "old"}}
	seeded := func(b *bench, to *condition.Config) *bench {
		next := b.again(t, b.keep(t), to, expectSeed)
		next.begin(t)
		next.ends(t, "kmsg")
		require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
		return next
	}

	b := benchOf(t, old, expectSeed)
	b.apply(t, b.sees(old, pipeline.StateProblem))
	next := seeded(b, oneRule(renamed))
	require.Equal(t, pipeline.ConditionTrue, next.Conditions()[0].Status, "silence is not health")
	require.Contains(t, next.transitions(), "activation Deadlock=True repeated")

	b.clock.Advance(time.Second)
	b.apply(t, b.sees(old, pipeline.StateOK))
	require.Equal(t, pipeline.ConditionFalse, seeded(b, oneRule(renamed)).Conditions()[0].Status)

	held := benchOf(t, old)
	held.apply(t, held.sees(old, pipeline.StateProblem))
	waits := held.again(t, held.keep(t), oneRule(old), expectSeed)
	waits.begin(t)
	waits.clock.Advance(time.Second)
	waits.apply(t, waits.sees(old, pipeline.StateOK))
	require.Equal(t, pipeline.ConditionFalse, seeded(waits, oneRule(renamed)).Conditions()[0].Status, "it had recovered")
}

// A rule that went to another condition has no cause there until its next match.
func TestWhatWaitsForTheNodeStaysOnItsCondition(t *testing.T) {
	rule := condition.Rule{ID: "r"}
	b := benchOf(t, rule, expectSeed)
	b.apply(t, b.sees(rule, pipeline.StateProblem))
	moved := oneRule(rule)
	moved.Hash, moved.Rules[0].Condition = "moved", "Slow"
	next := b.again(t, b.keep(t), moved, expectSeed)
	next.begin(t)
	require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
	require.Equal(t, pipeline.ConditionFalse, next.Conditions()[0].Status)
	require.Equal(t, pipeline.ConditionFalse, next.Conditions()[1].Status)
}

// What was told provisionally before the agent was killed is a repeat afterwards.
func TestWhatWasToldProvisionallyIsRepeatedAfterACrash(t *testing.T) {
	rule := condition.Rule{ID: "r"}
	b := benchOf(t, rule, expectSeed)
	b.apply(t, b.sees(rule, pipeline.StateProblem))
	told := b.sink.Records()[2].Transition
	next := b.again(t, b.keep(t), oneRule(rule), expectSeed)
	next.begin(t)
	require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
	for _, record := range next.sink.Records() {
		if record.Transition.UID == told.UID {
			require.True(t, record.Transition.Repeated)
			require.False(t, record.Transition.Provisional)
			return
		}
	}
	t.Fatal("it was not told again")
}

func TestANewCheckIsToldOnceWhetherTheNodeComesEarlyOrLate(t *testing.T) {
	b := benchOf(t, condition.Rule{ID: "r"})
	changed := oneRule(condition.Rule{ID: "r"})
	changed.Hash = "checked"
	changed.Rules = append(changed.Rules, condition.Rule{ID: "chk", Condition: "Slow", Reason: "NtpDown", Level: true})
	next := b.again(t, b.keep(t), changed, expectSeed)
	next.begin(t)
	require.Equal(t, "status Slow=Unknown provisional", next.transitions()[2])
	require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
	require.Equal(t, "status Slow=Unknown repeated", next.transitions()[3])
}

func TestARestartKeepsTheReasonOfARemovedRule(t *testing.T) {
	b := benchOf(t, condition.Rule{ID: "r"})
	b.apply(t, b.sees(condition.Rule{ID: "r"}, pipeline.StateProblem))
	changed := oneRule(condition.Rule{ID: "else", Reason: "Else"})
	require.NoError(t, b.Configure(changed))
	require.Equal(t, condition.ReasonRuleRemoved, b.Conditions()[0].Reason)
	next := b.again(t, b.keep(t), changed, expectSeed)
	next.begin(t)
	require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
	require.Equal(t, condition.ReasonRuleRemoved, next.Conditions()[0].Reason, "nothing has happened")
}

// Receivers that a reload has taken away may still have something to say.
func TestReceiversThatAreGoneAreNotHeard(t *testing.T) {
	timed := condition.Rule{ID: "r", Clear: condition.Clear{By: condition.ClearByTTL, TTL: time.Minute}, Receivers: []string{"kmsg", "gone"}}
	b := newUnconfigured()
	require.NoError(t, b.Configure(oneRule(timed)))
	b.ExpectBacklogs([]string{"kmsg", "gone"})
	b.publish(t)
	b.SourceDegraded("gone", true)
	b.ends(t, "kmsg")
	b.apply(t, b.sees(timed, pipeline.StateProblem))
	b.ExpectBacklogs([]string{"kmsg"})
	b.SourceDegraded("gone", true)
	<-b.Settled()
	b.clock.Advance(time.Hour)
	b.FirstVerdictsIn() // an input: timers act first
	require.Equal(t, pipeline.ConditionFalse, b.Conditions()[0].Status)
}

// An operator may come while what was kept does not fit this boot yet.
func TestOrdersBeforeTheStartIsOverAreRefused(t *testing.T) {
	b := benchOf(t, condition.Rule{ID: "r"})
	b.apply(t, b.sees(condition.Rule{ID: "r"}, pipeline.StateProblem))
	next := b.again(t, b.keep(t), oneRule(condition.Rule{ID: "r"}), inBoot("another"))
	require.ErrorIs(t, next.Clear(t.Context(), "Deadlock", "r"), condition.ErrStarting)
	_, err := next.Silence("r", time.Hour, "r")
	require.ErrorIs(t, err, condition.ErrStarting)
	next.begin(t)
	require.NoError(t, next.Clear(t.Context(), "Deadlock", "r"))
}

// The state is written before the receivers are known, and the agent is killed.
func TestALateSeedWaitsForTheReceiversOfALaterLife(t *testing.T) {
	rule := condition.Rule{ID: "r"}
	b := newUnconfigured(expectSeed)
	require.NoError(t, b.Configure(oneRule(rule)))
	next := b.again(t, b.keep(t), oneRule(rule), expectSeed)
	next.begin(t)
	at := b.clock.Now().Wall.Truncate(time.Second)
	early := next.sees(rule, pipeline.StateProblem)
	early.Boot.At -= time.Minute
	next.apply(t, early)
	next.ends(t, "kmsg")
	require.NoError(t, next.Seed(t.Context(), condition.Seed{NodeBootID: pipelinetest.BootID, Conditions: []condition.NodeCondition{{
		Type: "Deadlock", Status: pipeline.ConditionFalse, Reason: "NoDeadlock", Message: "none", LastTransitionTime: at, LastHeartbeatTime: at,
	}}}))
	require.Equal(t, pipeline.ConditionFalse, next.Conditions()[0].Status)
	require.Contains(t, next.transitions(), "activation Deadlock=False repeated", "its line makes its Event all the same")
}
