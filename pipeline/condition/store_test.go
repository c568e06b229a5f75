package condition_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	boot    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	discard = slog.New(slog.DiscardHandler)
)

func config() *condition.Config {
	return &condition.Config{
		Hash:  "one",
		Types: []condition.Type{{Name: "Deadlock", HealthyReason: "NoDeadlock", HealthyMessage: "none"}, {Name: "Slow", HealthyReason: "Fast", HealthyMessage: "fast"}},
		Rules: []condition.Rule{
			{ID: "hung", Condition: "Deadlock", Reason: "TaskHung", Source: "kernel"},
			{ID: "slow", Condition: "Slow", Reason: "SlowIO", Clear: condition.Clear{By: condition.ClearByTTL, TTL: time.Minute}},
			{ID: "oops", Reason: "KernelOops", Source: "kernel", Threshold: condition.Threshold{MinOccurrences: 2, Window: time.Minute}},
		},
	}
}

// bench is a store with a sink and a clock that stands an hour after the boot.
type bench struct {
	*condition.Store
	sink  *pipelinetest.Sink
	clock *pipelinetest.Clock
	logs  *bytes.Buffer
	line  uint64
}

func newBench(t *testing.T, change ...func(*condition.Options)) *bench {
	t.Helper()
	b := &bench{
		sink: &pipelinetest.Sink{}, logs: &bytes.Buffer{},
		clock: pipelinetest.NewClock(pipeline.Instant{Wall: boot.Add(time.Hour), Boot: time.Hour}),
	}
	options := condition.Options{
		Clock: b.clock, Boot: pipeline.Boot{ID: pipelinetest.BootID, Start: boot}, Node: "node-1",
		Logger: slog.New(slog.NewTextHandler(b.logs, nil)),
	}
	for _, c := range change {
		c(&options)
	}
	b.Store = condition.NewStore(options)
	require.NoError(t, b.Configure(config()))
	return b
}

func expectSeed(o *condition.Options) { o.ExpectSeed = true }

// record makes a record of a rule's match, now.
func (b *bench) record(rule string, state pipeline.State) *pipeline.Record {
	b.line++
	now := b.clock.Now()
	at := pipeline.Place{Scope: pipelinetest.BootID, Source: "kmsg", Position: b.line}
	return &pipeline.Record{
		EventName: pipeline.EventProblem, Time: now.Wall, Boot: pipeline.BootTime{ID: pipelinetest.BootID, At: now.Boot}, Receiver: "kmsg", Place: at,
		Problem: &pipeline.Problem{
			UID: pipeline.ProblemUID("node-1", at, rule), Rule: rule, Reason: map[string]string{"hung": "TaskHung", "slow": "SlowIO", "oops": "KernelOops"}[rule],
			Message: "message of " + rule, State: state, Count: 1,
		},
	}
}

func (b *bench) apply(t *testing.T, record *pipeline.Record) condition.Result {
	t.Helper()
	result, err := b.Apply(t.Context(), record)
	require.NoError(t, err)
	return result
}

func (b *bench) match(t *testing.T, rule string) condition.Result {
	t.Helper()
	return b.apply(t, b.record(rule, pipeline.StateProblem))
}

// transitions returns what the sink got, as KIND TYPE=STATUS.
func (b *bench) transitions() []string {
	var lines []string
	for _, r := range b.sink.Records() {
		t := r.Transition
		line := t.Kind.String() + " " + t.Condition.Type + "=" + string(t.Condition.Status)
		if t.Provisional {
			line += " provisional"
		}
		if t.Repeated {
			line += " repeated"
		}
		lines = append(lines, line)
	}
	return lines
}

func (b *bench) publish(t *testing.T) {
	t.Helper()
	b.Publish(t.Context(), []pipeline.Consumer{b.sink})
}

func TestPublishTellsFirstHowAllConditionsStand(t *testing.T) {
	b := newBench(t)
	b.match(t, "hung")
	b.publish(t)
	b.match(t, "slow")
	require.Equal(t, []string{"snapshot Deadlock=True", "snapshot Slow=False", "activation Slow=True"}, b.transitions())

	last := b.sink.Records()[2]
	require.Equal(t, pipeline.EventTransition, last.EventName)
	require.Equal(t, boot.Add(time.Hour), last.Time)
	require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: time.Hour}, last.Boot)
	require.Equal(t, last.Transition.Severity, last.Severity)
	require.Equal(t, `Node condition Slow is now: True, reason: SlowIO, message: "message of slow"`, last.Transition.EventMessage)

	again := &pipelinetest.Sink{}
	b.Publish(t.Context(), []pipeline.Consumer{again})
	b.match(t, "slow")
	require.Len(t, again.Records(), 2, "a repeat tells nothing")
	require.Len(t, b.sink.Records(), 3, "the sinks of before are gone")
}

func TestEverySinkGetsEachTransitionOnceAndInOrder(t *testing.T) {
	b := newBench(t)
	sinks := []*pipelinetest.Sink{{}, {}, {}}
	b.Publish(t.Context(), []pipeline.Consumer{sinks[0], sinks[1], sinks[2]})
	var feeders sync.WaitGroup
	for range 4 {
		feeders.Go(func() {
			for range 50 {
				_, err := b.Apply(context.Background(), &pipeline.Record{
					EventName: pipeline.EventProblem, Time: boot.Add(time.Hour), Boot: pipeline.BootTime{ID: pipelinetest.BootID, At: time.Hour + time.Second},
					Problem: &pipeline.Problem{Rule: "hung", Reason: "TaskHung", State: pipeline.StateProblem},
				})
				if err != nil || b.Clear(context.Background(), "Deadlock", "r") != nil {
					t.Error("a store that works refused an input")
				}
				b.Conditions()
				b.Views()
			}
		})
	}
	feeders.Wait()
	want := sinks[0].Records()
	require.Greater(t, len(want), 2)
	for _, sink := range sinks[1:] {
		require.Empty(t, pipelinetest.Diff(want, sink.Records()))
	}
	status := pipeline.ConditionFalse
	for _, r := range want[2:] {
		require.NotEqual(t, status, r.Transition.Condition.Status, "one follows from the other")
		status = r.Transition.Condition.Status
	}
}

func TestApplyReturnsWhatFires(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	require.Nil(t, b.match(t, "oops").Fired)
	fired := b.match(t, "oops").Fired
	require.NotNil(t, fired)
	require.Equal(t, 2, fired.Count)
	require.Equal(t, "KernelOops", fired.Reason)
	require.Len(t, b.sink.Records(), 2, "what fires goes on down the pipeline instead")
}

func TestApplyRefusesNothingItDoesNotKnow(t *testing.T) {
	b := newBench(t)
	for _, record := range []*pipeline.Record{
		{}, {EventName: pipeline.EventTransition}, {EventName: pipeline.EventProblem}, {EventName: "else", Problem: &pipeline.Problem{Rule: "hung"}},
	} {
		require.Equal(t, condition.Result{}, b.apply(t, record))
	}
	for range 3 {
		require.Equal(t, condition.DropUnknownRule, b.match(t, "nobody").Dropped)
	}
	require.Equal(t, 1, bytes.Count(b.logs.Bytes(), []byte("nobody")), "told once")

	_, err := condition.NewStore(condition.Options{}).Apply(t.Context(), b.record("hung", pipeline.StateProblem))
	require.ErrorIs(t, err, condition.ErrNotConfigured)
}

func TestApplyKeepsNothingOfTheRecord(t *testing.T) {
	b := newBench(t, expectSeed)
	scope, source, receiver := []byte(pipelinetest.BootID), []byte("kmsg"), []byte("kmsg")
	record := b.record("hung", pipeline.StateProblem)
	record.Place.Scope, record.Place.Source, record.Receiver = string(scope), string(source), string(receiver)
	b.apply(t, record)
	before := b.Views()
	*record.Problem = pipeline.Problem{Rule: "x", Reason: "Overwritten"}
	*record = pipeline.Record{}
	require.Equal(t, before, b.Views())
	require.NoError(t, b.Seed(t.Context(), condition.Seed{}))
	require.Equal(t, before, b.Views(), "nor does what waits for the seed")
}

func TestARefusingSinkIsAnErrorOfApply(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	require.NoError(t, b.sink.Shutdown(t.Context()))
	_, err := b.Apply(t.Context(), b.record("hung", pipeline.StateProblem))
	require.ErrorIs(t, err, pipelinetest.ErrShutDown)
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[0].Status, "the state is right all the same")
	require.ErrorIs(t, b.Clear(t.Context(), "Deadlock", "r"), pipelinetest.ErrShutDown)
}

func TestRecoveriesVerdictsAndBacklogsReachTheMachine(t *testing.T) {
	b := newBench(t)
	b.ExpectBacklogs([]string{"kmsg"})
	select {
	case <-b.Settled():
		t.Fatal("settled before the backlog was in")
	default:
	}
	b.apply(t, &pipeline.Record{
		EventName: pipeline.EventBacklogEnd, Receiver: "kmsg",
		Attributes: pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, true)},
	})
	<-b.Settled()

	b.match(t, "hung")
	b.clock.Advance(time.Second)
	b.apply(t, b.record("hung", pipeline.StateOK))
	require.Equal(t, pipeline.ConditionFalse, b.Conditions()[0].Status)

	changed := config()
	changed.Rules = append(changed.Rules, condition.Rule{ID: "ntp", Condition: "Slow", Reason: "NtpDown", Level: true})
	require.NoError(t, b.Configure(changed))
	verdict := b.record("ntp", pipeline.StateProblem)
	verdict.Problem.Verdict = &pipeline.Verdict{Boot: pipelinetest.BootID, Start: time.Hour}
	b.apply(t, verdict)
	require.Equal(t, pipeline.ConditionTrue, b.Conditions()[1].Status)
}

func TestClear(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	b.match(t, "hung")
	b.clock.Advance(time.Second)
	require.NoError(t, b.Clear(t.Context(), "Deadlock", "request-1"))
	require.Equal(t, "status Deadlock=False", b.transitions()[3])

	err := b.Clear(t.Context(), "Deadlok", "request-2")
	require.ErrorIs(t, err, condition.ErrUnknownCondition)
	require.EqualError(t, err, `clear condition "Deadlok": no such condition; there are: Deadlock, Slow`)
	require.ErrorIs(t, condition.NewStore(condition.Options{}).Clear(t.Context(), "T", "r"), condition.ErrNotConfigured)
}

func TestViewsTellWhatHolds(t *testing.T) {
	b := newBench(t)
	b.match(t, "hung")
	b.clock.Advance(time.Second)
	b.match(t, "hung")
	views := b.Views()
	require.Len(t, views, 2)
	require.Equal(t, []pipeline.ActiveCause{{
		Cause: pipeline.Cause{Rule: "hung", Reason: "TaskHung", Message: "message of hung"}, State: pipeline.StateProblem,
		UID: views[0].Causes[0].UID, Since: boot.Add(time.Hour), Last: boot.Add(time.Hour + time.Second),
	}}, views[0].Causes)
	require.Empty(t, views[1].Causes)
	empty := condition.NewStore(condition.Options{})
	require.Nil(t, empty.Views())
	require.Nil(t, empty.Conditions())
	require.Nil(t, empty.Deletions())
}

func TestViewsTellOfChecksThatNeverSpoke(t *testing.T) {
	b := newBench(t)
	changed := config()
	changed.Rules = append(changed.Rules, condition.Rule{ID: "ntp", Condition: "Slow", Reason: "NtpDown", Level: true})
	require.NoError(t, b.Configure(changed))
	causes := b.Views()[1].Causes
	require.Len(t, causes, 1)
	require.Equal(t, condition.ReasonNotYetChecked, causes[0].Reason)
	require.Equal(t, pipeline.StateUnknown, causes[0].State)
}

func TestConfigureAgainIsAReload(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	b.match(t, "hung")
	require.ErrorContains(t, b.Configure(&condition.Config{Rules: []condition.Rule{{}}}), "configure the conditions: a rule has no id")
	require.Equal(t, "TaskHung", b.Conditions()[0].Reason, "a bad one leaves the running one")
	changed := config()
	changed.Rules = changed.Rules[1:]
	require.NoError(t, b.Configure(changed))
	require.Equal(t, "RuleRemoved", b.Conditions()[0].Reason)
	require.Equal(t, "status Deadlock=False", b.transitions()[3])
}

func TestTypesThatAreGoneAreToBeDeleted(t *testing.T) {
	b := newBench(t)
	b.NotePatched(b.Conditions()[1])
	changed := config()
	changed.Types, changed.Rules = changed.Types[:1], changed.Rules[:1]
	require.NoError(t, b.Configure(changed))
	require.Equal(t, []string{"Slow"}, b.Deletions())
	b.NoteDeleted("Slow")
	require.Empty(t, b.Deletions())
}

// bubbleClock is the clock of a synctest bubble: time passes when all sleep.
type bubbleClock struct{ start time.Time }

func (c bubbleClock) Now() pipeline.Instant {
	return pipeline.Instant{Wall: time.Now(), Boot: time.Since(c.start) + time.Hour}
}

func TestTheTimerActsWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := bubbleClock{time.Now()}
		b := newBench(t, func(o *condition.Options) {
			o.Clock, o.Boot.Start = clock, time.Now().Add(-time.Hour)
		})
		b.publish(t)
		require.NoError(t, b.Start(t.Context()))
		require.NoError(t, b.Start(t.Context()))
		match := func() {
			r := b.record("slow", pipeline.StateProblem)
			r.Boot.At, r.Time = clock.Now().Boot, time.Now()
			b.apply(t, r)
		}
		match()
		time.Sleep(50 * time.Second)
		match()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.Equal(t, pipeline.ConditionTrue, b.Conditions()[1].Status)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, pipeline.ConditionFalse, b.Conditions()[1].Status)
		require.NoError(t, b.Shutdown(t.Context()))
		require.NoError(t, b.Shutdown(t.Context()))
		records := b.sink.Records()
		require.Equal(t, clock.start.Add(110*time.Second).Round(0), records[len(records)-1].Time.Round(0))
	})
}

func TestADegradedSourceHoldsTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := bubbleClock{time.Now()}
		b := newBench(t, func(o *condition.Options) {
			o.Clock, o.Boot.Start = clock, time.Now().Add(-time.Hour)
		})
		b.ExpectBacklogs([]string{"kmsg"})
		b.apply(t, &pipeline.Record{EventName: pipeline.EventBacklogEnd, Receiver: "kmsg"})
		require.NoError(t, b.Start(t.Context()))
		r := b.record("slow", pipeline.StateProblem)
		r.Boot.At = clock.Now().Boot
		b.apply(t, r)
		b.SourceDegraded("kmsg", true)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, pipeline.ConditionTrue, b.Conditions()[1].Status)
		b.SourceDegraded("kmsg", false)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, pipeline.ConditionFalse, b.Conditions()[1].Status)
		require.NoError(t, b.Shutdown(t.Context()))
	})
}

func TestFirstVerdictsSettleByTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := bubbleClock{time.Now()}
		store := condition.NewStore(condition.Options{
			Clock: clock, Boot: pipeline.Boot{ID: "b", Start: time.Now().Add(-time.Hour)}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, store.Configure(&condition.Config{
			Types: []condition.Type{{Name: "T"}}, Rules: []condition.Rule{{ID: "c", Condition: "T", Level: true}},
		}))
		store.ExpectBacklogs(nil)
		require.NoError(t, store.Start(t.Context()))
		time.Sleep(condition.FirstVerdictTimeout - time.Second)
		synctest.Wait()
		select {
		case <-store.Settled():
			t.Fatal("too early")
		default:
		}
		time.Sleep(time.Second)
		<-store.Settled()
		require.NoError(t, store.Shutdown(t.Context()))
	})
}

func TestFirstVerdictsInSettles(t *testing.T) {
	store := condition.NewStore(condition.Options{Clock: pipeline.SystemClock{}, Logger: slog.New(slog.DiscardHandler)})
	store.FirstVerdictsIn()
	store.ExpectBacklogs([]string{"early"})
	require.NoError(t, store.Configure(&condition.Config{
		Types: []condition.Type{{Name: "T"}}, Rules: []condition.Rule{{ID: "c", Condition: "T", Level: true}},
	}))
	store.FirstVerdictsIn()
	select {
	case <-store.Settled():
		t.Fatal("settled before the receivers were known")
	default:
	}
	store.ExpectBacklogs(nil)
	<-store.Settled()
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := bubbleClock{time.Now()}
		b := newBench(t, func(o *condition.Options) { o.Clock = clock })
		var hangs atomic.Bool
		release := make(chan struct{})
		b.sink.Gate = func(context.Context) error {
			if hangs.Load() {
				<-release
			}
			return nil
		}
		b.publish(t)
		require.NoError(t, b.Start(t.Context()))
		r := b.record("slow", pipeline.StateProblem)
		r.Boot.At = clock.Now().Boot
		b.apply(t, r)
		hangs.Store(true)
		time.Sleep(2 * time.Minute) // the timer acts, and the sink hangs
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, b.Shutdown(ctx), context.DeadlineExceeded)
		close(release)
		synctest.Wait()
	})
}

// The state has changed for good when the sinks are told: an operator who leaves
// in between must not keep them from hearing of it.
func TestClearIsToldThoughTheOperatorLeaves(t *testing.T) {
	b := newBench(t)
	b.sink.Gate = func(ctx context.Context) error { return ctx.Err() }
	b.publish(t)
	b.match(t, "hung")
	gone, leave := context.WithCancel(t.Context())
	leave()
	require.NoError(t, b.Clear(gone, "Deadlock", "request-1"))
	records := b.sink.Records()
	require.Equal(t, pipeline.ConditionFalse, records[len(records)-1].Transition.Condition.Status)
}
