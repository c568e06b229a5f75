package check

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// judged is a condition store that judges the checks of a lab.
type judged struct {
	*lab
	*condition.Store
	fired []pipeline.Problem

	mu    sync.Mutex
	finds map[string]Report // by check
}

// newJudged makes a store for checks of two conditions and one of events, which run
// every ten seconds and find what the test says.
func newJudged(t *testing.T) *judged {
	t.Helper()
	j := &judged{lab: newLab(t), finds: map[string]Report{}}
	j.Store = condition.NewStore(condition.Options{
		Clock: j.clock, Boot: j.settings.Boot, Node: "node-1", Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, j.Configure(j.config()))
	j.ExpectBacklogs([]string{"checks"})
	j.Publish(t.Context(), nil)
	return j
}

func (j *judged) config() *condition.Config {
	disk := Declaration{Condition: "DiskFull", Reason: "Full"}
	clock := Declaration{Condition: "ClockOff", Reason: "Off", FailureThreshold: 2}
	load := Declaration{Reason: "Overloaded"}
	watched := Declaration{Condition: "ClockOff", Reason: "Drifts", Mode: condition.ModeObserve}
	typeOf := func(name string) condition.Type { return condition.Type{Name: name, HealthyReason: "Fine"} }
	return &condition.Config{
		Hash: "one", Types: []condition.Type{typeOf("DiskFull"), typeOf("ClockOff")},
		Rules: []condition.Rule{disk.Rule("disk", nil), clock.Rule("clock", nil), load.Rule("load", nil), watched.Rule("watched", nil)},
	}
}

// begin lets the checks run.
func (j *judged) begin() {
	j.t.Helper()
	var checks []Check
	for _, rule := range j.config().Rules {
		checks = append(checks, Check{
			ID: rule.ID, Rules: []condition.Rule{rule}, Interval: 10 * time.Second,
			Run: func(context.Context) Report {
				j.mu.Lock()
				defer j.mu.Unlock()
				return j.finds[rule.ID]
			},
		})
	}
	runner, err := NewRunner(j.settings, pipeline.ConsumerFunc(j.consume), checks, Schedule{})
	require.NoError(j.t, err)
	j.runner = runner
	require.NoError(j.t, runner.Start(j.t.Context()))
	j.sleep(time.Second)
}

func (j *judged) end() { require.NoError(j.t, j.runner.Shutdown(context.Background())) }

func (j *judged) consume(ctx context.Context, batch []pipeline.Record) error {
	for i := range batch {
		result, err := j.Apply(ctx, &batch[i])
		if err != nil || result.Dropped != "" {
			j.t.Errorf("%+v: %v, dropped %q", batch[i].Problem, err, result.Dropped)
		}
		if result.Fired != nil {
			j.fired = append(j.fired, *result.Fired)
		}
	}
	return nil
}

// find says what a check finds from its next run on.
func (j *judged) find(check string, report Report) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finds[check] = report
}

func (j *judged) findOne(check string, state pipeline.State) {
	j.find(check, Report{Findings: []Finding{{State: state, Message: "as measured"}}})
}

// runs lets every check run once more and returns how the conditions stand.
func (j *judged) runs() string {
	j.sleep(10 * time.Second)
	return j.stand()
}

func (j *judged) stand() (text string) {
	for _, c := range j.Conditions() {
		text += fmt.Sprintf("%s=%s ", c.Type, c.Status)
	}
	return text
}

func allWell(j *judged) {
	j.find("disk", Report{Complete: true})
	for _, check := range []string{"clock", "load", "watched"} {
		j.findOne(check, pipeline.StateOK)
	}
}

func isSettled(j *judged) bool {
	select {
	case <-j.Settled():
		return true
	default:
		return false
	}
}

func TestTheStoreJudgesWhatChecksFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudged(t)
		allWell(j)
		require.False(t, isSettled(j))
		j.begin()
		defer j.end()
		require.True(t, isSettled(j), "all first verdicts are in, and no backlog is waited for")
		require.Equal(t, "DiskFull=False ClockOff=False ", j.stand())

		j.find("disk", Report{Complete: true, Findings: []Finding{{Instance: "/", State: pipeline.StateOK}, {Instance: "/data", State: pipeline.StateProblem}}})
		j.findOne("clock", pipeline.StateProblem)
		require.Equal(t, "DiskFull=True ClockOff=False ", j.runs())
		require.Equal(t, "DiskFull=True ClockOff=True ", j.runs(), "at the failure threshold")

		j.find("disk", Report{Complete: true, Findings: []Finding{{Instance: "/", State: pipeline.StateOK}, {Instance: "/data", State: pipeline.StateOK, Between: true}}})
		j.find("clock", Report{})
		require.Equal(t, "DiskFull=True ClockOff=True ", j.runs(), "neither between the limits nor in silence is anything well")

		j.find("disk", Report{Complete: true, Findings: []Finding{{Instance: "/", State: pipeline.StateOK}}})
		j.findOne("clock", pipeline.StateOK)
		require.Equal(t, "DiskFull=False ClockOff=False ", j.runs(), "/data is not mounted any more")
		require.Empty(t, j.fired)
	})
}

func TestChecksAreListedSilencedAndObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudged(t)
		allWell(j)
		j.begin()
		defer j.end()
		rules := j.Rules()
		require.Len(t, rules, 4)
		require.Equal(t, "disk", rules[0].ID)
		require.Equal(t, "DiskFull", rules[0].Condition)
		require.True(t, rules[3].Observe)

		_, err := j.Silence("disk", time.Minute, "request-1")
		require.NoError(t, err)
		j.find("disk", Report{Complete: true, Findings: []Finding{{Instance: "/", State: pipeline.StateProblem}}})
		j.findOne("watched", pipeline.StateProblem)
		j.findOne("load", pipeline.StateProblem)
		for range 3 {
			require.Equal(t, "DiskFull=False ClockOff=False ", j.runs())
		}
		var fired []string
		for _, p := range j.fired {
			fired = append(fired, fmt.Sprint(p.Rule, " observed ", p.Observe))
		}
		require.ElementsMatch(t, []string{"disk observed true", "watched observed true", "load observed false"}, fired, "once each")

		_, err = j.Unsilence("disk")
		require.NoError(t, err)
		require.Equal(t, "DiskFull=True ClockOff=False ", j.runs())
		views := j.Views()
		require.Len(t, views[0].Causes, 1)
		require.Equal(t, "disk", views[0].Causes[0].Rule)
		require.Equal(t, "/", views[0].Causes[0].Instance)
	})
}

// A receiver whose configuration changes is made anew: what its checks hold stays until
// the new ones have run, which they do at once.
func TestWhatChecksHoldOutlivesTheirReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudged(t)
		allWell(j)
		j.find("disk", Report{Complete: true, Findings: []Finding{{Instance: "/", State: pipeline.StateProblem}}})
		j.begin()
		require.Equal(t, "DiskFull=True ClockOff=False ", j.stand())
		before := j.Conditions()
		j.end()

		config := j.config()
		config.Hash, config.Rules[0].Definition = "two", "another interval"
		require.NoError(t, j.Configure(config))
		j.ExpectBacklogs([]string{"checks"})
		require.Equal(t, before, j.Conditions())
		j.sleep(3 * time.Second)
		j.begin()
		defer j.end()
		require.Equal(t, before, j.Conditions())
		require.Equal(t, 2, j.count("otelnpd.check.runs", map[string]string{"check": "disk"}), "it has run at once")
	})
}
