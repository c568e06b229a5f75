package condition_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// keep returns what the store keeps now.
func (b *bench) keep(t testing.TB) []byte {
	t.Helper()
	text, err := b.Keep(nil)()
	require.NoError(t, err)
	return text
}

// again returns the store of an agent that is started anew at the same instant,
// from what was kept.
func (b *bench) again(t *testing.T, kept []byte, changed *condition.Config, change ...func(*condition.Options)) *bench {
	t.Helper()
	next := newUnconfigured(change...)
	next.clock, next.line = b.clock, b.line
	require.NoError(t, next.Resume(kept))
	require.NoError(t, next.Configure(changed))
	return next
}

func newUnconfigured(change ...func(*condition.Options)) *bench {
	b := &bench{sink: &pipelinetest.Sink{}, clock: pipelinetest.NewClock(pipeline.Instant{Wall: boot.Add(time.Hour), Boot: time.Hour})}
	options := condition.Options{
		Clock: b.clock, Boot: pipeline.Boot{ID: pipelinetest.BootID, Start: boot}, Node: "node-1", Logger: discard,
	}
	for _, c := range change {
		c(&options)
	}
	b.Store = condition.NewStore(options)
	return b
}

func inBoot(id string) func(*condition.Options) {
	return func(o *condition.Options) { o.Boot = pipeline.Boot{ID: id, Start: boot.Add(2 * time.Hour)} }
}

func TestWhatIsKeptGoesOn(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	b.match(t, "hung")
	first := b.match(t, "oops")
	require.Nil(t, first.Fired, "one of two")
	want := b.Views()

	next := b.again(t, b.keep(t), config())
	next.publish(t)
	require.Equal(t, want, next.Views())
	require.Equal(t, []string{"snapshot Deadlock=True provisional", "snapshot Slow=False provisional"}, next.transitions(), "nothing has happened")
	require.NotNil(t, next.match(t, "oops").Fired, "the second of two")
	require.NoError(t, next.Clear(t.Context(), "Deadlock", "r"))
	require.Empty(t, next.again(t, next.keep(t), config()).Views()[0].Causes)
}

func TestAReplayChangesNothing(t *testing.T) {
	b := newBench(t)
	hung, oops := b.record("hung", pipeline.StateProblem), b.record("oops", pipeline.StateProblem)
	b.apply(t, hung)
	b.apply(t, oops)
	next := b.again(t, b.keep(t), config())
	next.publish(t)
	require.Equal(t, condition.DropRepeated, next.apply(t, hung).Dropped)
	require.Equal(t, condition.DropRepeated, next.apply(t, oops).Dropped)
	require.Len(t, next.transitions(), 2, "the snapshots alone")
}

func TestABootAndAConfigurationThatChangedMeanwhileAreTold(t *testing.T) {
	b := newBench(t)
	b.match(t, "hung")
	b.match(t, "slow")
	changed := config()
	changed.Hash, changed.Rules = "two", changed.Rules[1:]

	next := b.again(t, b.keep(t), changed)
	next.publish(t)
	require.Equal(t, []string{"snapshot Deadlock=True provisional", "snapshot Slow=True provisional", "status Deadlock=False"}, next.transitions())
	require.Equal(t, "RuleRemoved", next.Conditions()[0].Reason)

	rebooted := b.again(t, b.keep(t), config(), inBoot("another"))
	rebooted.publish(t)
	require.Equal(t, []string{"snapshot Deadlock=True provisional", "snapshot Slow=True provisional", "status Deadlock=False", "status Slow=False"}, rebooted.transitions())
	for _, record := range rebooted.sink.Records()[2:] {
		require.True(t, record.Transition.MakesEvent)
		require.False(t, record.Transition.Provisional)
	}
	rebooted.publish(t)
	require.Len(t, rebooted.transitions(), 4, "once")
}

// What was told while the Node was not known is told again once it is, however
// often the agent is killed in between.
func TestWhatWaitsForTheNodeIsKept(t *testing.T) {
	b := newBench(t, expectSeed)
	b.ExpectBacklogs([]string{"kmsg"})
	b.publish(t)
	b.match(t, "hung")
	require.Equal(t, "activation Deadlock=True provisional", b.transitions()[2])

	synced := 0
	next := b
	for range 3 {
		next = next.again(t, next.keep(t), config(), expectSeed, func(o *condition.Options) { o.Sync = func(context.Context) { synced++ } })
		next.ExpectBacklogs([]string{"kmsg"})
		next.publish(t)
		next.apply(t, &pipeline.Record{EventName: pipeline.EventBacklogEnd, Receiver: "kmsg"})
		require.Equal(t, pipeline.ConditionTrue, next.Conditions()[0].Status)
	}
	require.NoError(t, next.Seed(t.Context(), condition.Seed{}))
	require.Contains(t, next.transitions(), "activation Deadlock=True repeated", "now it is certain")
	require.Equal(t, 1, synced, "before the Node is told")
	<-next.Settled()

	// Without the Kubernetes exporter it is no longer waited for.
	alone := b.again(t, b.keep(t), config())
	require.Equal(t, pipeline.ConditionTrue, alone.Conditions()[0].Status)
	require.ErrorIs(t, alone.Seed(t.Context(), condition.Seed{}), condition.ErrSeeded)
	alone.publish(t)
	require.Equal(t, []string{"snapshot Deadlock=True provisional", "snapshot Slow=False provisional", "activation Deadlock=True"}, alone.transitions(),
		"what was told with reservations is certain now")
}

func TestTheNodeIsToldWithoutAWriteWhereNoneWasMadeBefore(t *testing.T) {
	b := newBench(t, expectSeed, func(o *condition.Options) { o.Sync = func(context.Context) { t.Error("the disk is waited for") } })
	b.ExpectBacklogs(nil)
	require.NoError(t, b.Seed(t.Context(), condition.Seed{}))
}

func TestExportersAreCapturedTogetherWithTheConditions(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	var inside atomic.Bool
	told := make(chan struct{})
	encode := b.Keep(func() {
		inside.Store(true)
		go func() {
			defer close(told)
			_ = b.Clear(context.Background(), "Deadlock", "r")
			if inside.Load() {
				t.Error("an input was judged in the middle of a cut")
			}
		}()
		time.Sleep(10 * time.Millisecond) // a chance for the other to be wrong
		inside.Store(false)
	})
	<-told
	_, err := encode()
	require.NoError(t, err)
}

func TestNothingIsWrittenWhileNothingChanges(t *testing.T) {
	var changed, moved atomic.Int64
	count := func(o *condition.Options) {
		o.Keeping = pipeline.Keeping{OnChanged: func() { changed.Add(1) }, OnMoved: func() { moved.Add(1) }}
	}
	b := newBench(t, count)
	b.ExpectBacklogs([]string{"kmsg"})
	b.publish(t)
	expect := func(what string, change, move int64, do func()) {
		t.Helper()
		changed.Store(0)
		moved.Store(0)
		do()
		require.Equal(t, []int64{change, move}, []int64{changed.Load(), moved.Load()}, what)
	}
	line := b.record("hung", pipeline.StateProblem)
	expect("an activation", 1, 0, func() { b.apply(t, line) })
	expect("the same line again", 0, 0, func() { b.apply(t, line) })
	expect("a repeat", 0, 1, func() { b.match(t, "hung") })
	expect("a part of a threshold", 1, 0, func() { b.match(t, "oops") })
	expect("the first patch", 1, 0, func() { b.NotePatched(b.Conditions()[0]) })
	expect("a heartbeat", 0, 0, func() { b.NotePatched(b.Conditions()[0]) })
	expect("an unknown rule", 0, 0, func() { b.match(t, "nobody") })
	expect("a source that is well as before", 0, 0, func() { b.SourceDegraded("kmsg", false) })
	expect("receivers", 0, 0, func() { b.ExpectBacklogs([]string{"kmsg"}) })
	expect("an operator", 1, 0, func() { require.NoError(t, b.Clear(t.Context(), "Deadlock", "r")) })
	next := b.again(t, b.keep(t), config(), count)
	expect("a heartbeat after a restart", 0, 0, func() { next.NotePatched(patchedOf(next)) })
}

// patchedOf is the first condition as it was patched before it was cleared.
func patchedOf(b *bench) pipeline.Condition {
	c := b.Conditions()[0]
	c.Status, c.State, c.Reason, c.Message = pipeline.ConditionTrue, pipeline.StateProblem, "TaskHung", "message of hung"
	return c
}

func TestAPatchOfATypeThatIsGoneIsUndone(t *testing.T) {
	b := newBench(t)
	underWay := b.Conditions()[1]
	changed := config()
	changed.Types, changed.Rules = changed.Types[:1], changed.Rules[:1]
	require.NoError(t, b.Configure(changed))
	require.Empty(t, b.Deletions(), "the Node was never told of it")
	b.NotePatched(underWay)
	require.Equal(t, []string{"Slow"}, b.Deletions())
	require.Equal(t, []string{"Slow"}, b.again(t, b.keep(t), changed).Deletions(), "it is owed over a restart")
}

func TestASummaryTellsWhatIsOnTheNode(t *testing.T) {
	b := newBench(t)
	b.match(t, "hung")
	b.NotePatched(b.Conditions()[1])
	_, err := b.Silence("hung", time.Hour, "r")
	require.NoError(t, err)
	summary, err := condition.Summarize(b.keep(t))
	require.NoError(t, err)
	require.Equal(t, b.Conditions(), summary.Conditions)
	require.Equal(t, []string{"Slow"}, summary.Owned)
	require.Equal(t, []condition.SilenceView{{Rule: "hung", Since: boot.Add(time.Hour), Until: boot.Add(2 * time.Hour)}}, summary.Silences)
	none, err := condition.Summarize(nil)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = condition.Summarize([]byte("["))
	require.Error(t, err)
}

func TestReceiversThatAreGoneHoldNobodyUp(t *testing.T) {
	b := newBench(t, expectSeed)
	b.ExpectBacklogs([]string{"kmsg", "journald"})
	b.publish(t)
	require.NoError(t, b.Seed(t.Context(), condition.Seed{}))
	b.apply(t, &pipeline.Record{EventName: pipeline.EventBacklogEnd, Receiver: "kmsg"})
	b.ExpectBacklogs([]string{"kmsg"})
	select {
	case <-b.Settled():
	default:
		t.Fatal("it waits for a receiver that a reload has taken away")
	}
}

func TestOnlyNewSinksAreToldHowThingsStand(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	added := &pipelinetest.Sink{}
	b.Publish(t.Context(), []pipeline.Consumer{added, b.sink})
	require.Len(t, b.sink.Records(), 2)
	require.Len(t, added.Records(), 2)
}

func TestResumeRefusesWhatNoStoreHasWritten(t *testing.T) {
	for text, want := range map[string]string{
		`[`:                            "unexpected end",
		`"no"`:                         "cannot unmarshal",
		`{"state": {"node": "other"}}`: `they are of the node "other", this is "node-1"`,
		`{"state": {"node": "node-1", "types": {"T": null}}}`:                                                `condition "T" is nothing`,
		`{"state": {"node": "node-1", "rules": {"r": null}}}`:                                                `rule "r" is nothing`,
		`{"state": {"node": "node-1", "receivers": {"r": null}}}`:                                            `receiver "r" is nothing`,
		`{"state": {"node": "node-1", "silences": {"r": null}}}`:                                             `the silence of rule "r" is nothing`,
		`{"state": {"node": "node-1", "events": [null]}}`:                                                    "a cause is nothing",
		`{"state": {"node": "node-1", "fired": {"next": 3}}}`:                                                "the next is 3",
		`{"state": {"node": "node-1"}, "journal": {}}`:                                                       "there is no start",
		`{"state": {"node": "node-1"}, "journal": {"start": {}, "entries": [{}]}}`:                           "entry 0 holds nothing",
		`{"state": {"node": "node-1"}, "journal": {"start": {}, "entries": [{"match": {}}]}}`:                "a match of nothing",
		`{"state": {"node": "node-1"}, "journal": {"start": {}, "entries": [{"verdict": {"Problem": {}}}]}}`: "a verdict on nothing",
	} {
		require.ErrorContains(t, newUnconfigured().Resume([]byte(text)), want, text)
	}
	b := newUnconfigured()
	require.ErrorContains(t, b.Resume([]byte(`{"state": null}`)), "there is none")
	require.Error(t, b.Resume(nil))
	require.NoError(t, b.Configure(config()))
	require.ErrorContains(t, b.Resume([]byte(`{"state": {"node": "node-1"}}`)), "they have begun already")
}

func FuzzResume(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "kept-schema-1.json"))
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"state":{"node":"node-1","types":{"Deadlock":{"causes":[{"rule":"hung","state":"problem"}]}}}}`))
	f.Add([]byte(`{"state":{"node":"node-1","boot":{"id":"x"},"types":{"T":{"healed":{}}},"events":[{"rule":"oops","hits":[{}]}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, expect := range []bool{true, false} {
			b := newUnconfigured(func(o *condition.Options) { o.ExpectSeed = expect })
			if b.Resume(text) != nil {
				return
			}
			require.NoError(t, b.Configure(config()))
			b.ExpectBacklogs([]string{"kmsg"})
			b.publish(t)
			for _, rule := range []string{"hung", "slow", "oops"} {
				b.match(t, rule)
				b.apply(t, b.record(rule, pipeline.StateOK))
			}
			_, _ = b.Silence("hung", time.Minute, "r")
			b.apply(t, &pipeline.Record{EventName: pipeline.EventBacklogEnd, Receiver: "kmsg"})
			_ = b.Seed(t.Context(), condition.Seed{Conditions: []condition.NodeCondition{{Type: "Deadlock", Status: "True", Reason: "X"}}})
			require.NoError(t, b.Clear(t.Context(), "Deadlock", "r"))
			changed := config()
			changed.Rules = changed.Rules[1:]
			require.NoError(t, b.Configure(changed))
			b.Views()
			require.True(t, json.Valid(b.keep(t)))
		}
	})
}

// manyCauses is a store with n causes.
func manyCauses(t testing.TB, n int) *condition.Store {
	t.Helper()
	var rules []condition.Rule
	for i := range n/256 + 1 {
		rules = append(rules, condition.Rule{ID: "rule-" + strconv.Itoa(i), Condition: "Disk", Reason: "DiskFails", HasInstances: true})
	}
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: boot.Add(time.Hour), Boot: time.Hour})
	store := condition.NewStore(condition.Options{Clock: clock, Boot: pipeline.Boot{ID: pipelinetest.BootID, Start: boot}, Node: "node-1", Logger: discard})
	require.NoError(t, store.Configure(&condition.Config{Types: []condition.Type{{Name: "Disk"}}, Rules: rules}))
	for i := range n {
		at := pipeline.Place{Scope: pipelinetest.BootID, Source: "kmsg", Position: uint64(i)}
		rule := rules[i/256].ID
		_, err := store.Apply(context.Background(), &pipeline.Record{
			EventName: pipeline.EventProblem, Time: boot.Add(time.Hour), Boot: pipeline.BootTime{ID: pipelinetest.BootID, At: time.Hour}, Receiver: "kmsg", Place: at,
			Problem: &pipeline.Problem{
				UID: pipeline.ProblemUID("node-1", at, rule), Rule: rule, Reason: "DiskFails", Instance: "disk-" + strconv.Itoa(i),
				Message: strings.Repeat("the disk fails ", 6), State: pipeline.StateProblem, Count: 1,
			},
		})
		require.NoError(t, err)
	}
	return store
}

// BenchmarkKeep is what a write of 1,000 causes costs before the disk: under the
// lock, and encoded.
func BenchmarkKeep(b *testing.B) {
	store := manyCauses(b, 1000)
	b.Run("locked", func(b *testing.B) {
		for b.Loop() {
			store.Keep(nil)
		}
	})
	b.Run("encode", func(b *testing.B) {
		var size int
		for b.Loop() {
			text, err := store.Keep(nil)()
			if err != nil {
				b.Fatal(err)
			}
			size = len(text)
		}
		b.ReportMetric(float64(size), "bytes")
	})
	b.Run("resume", func(b *testing.B) {
		text, err := store.Keep(nil)()
		require.NoError(b, err)
		for b.Loop() {
			if err := newUnconfigured().Resume(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestTransitionsWaitWhileTheSinksChange(t *testing.T) {
	b := newBench(t)
	b.publish(t)
	b.HoldSinks()
	require.NoError(t, b.Clear(t.Context(), "Deadlock", "r"))
	b.match(t, "hung") // as a timer may act meanwhile
	require.Len(t, b.sink.Records(), 2, "the old sink is told nothing more")
	next := &pipelinetest.Sink{}
	b.Publish(t.Context(), []pipeline.Consumer{next})
	b.sink = next
	require.Equal(t, []string{"snapshot Deadlock=True", "snapshot Slow=False", "activation Deadlock=True"}, b.transitions())
}
