package check

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func has(series []attribute.KeyValue, wanted map[string]string) bool {
	for key, value := range wanted {
		found := false
		for _, one := range series {
			found = found || (string(one.Key) == key && one.Value.AsString() == value)
		}
		if !found {
			return false
		}
	}
	return true
}

func seconds(all ...float64) []time.Duration {
	var list []time.Duration
	for _, s := range all {
		list = append(list, time.Duration(s*float64(time.Second)))
	}
	return list
}

func TestContract(t *testing.T) {
	checks := []Check{
		checkOf("quick", 5*time.Millisecond, ok),
		checkOf("mounts", 20*time.Millisecond, func(context.Context) Report {
			return Report{Complete: true, Findings: []Finding{{Instance: "/a", State: pipeline.StateProblem}, {Instance: "/b", State: pipeline.StateOK}}}
		}),
	}
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		Asks: true, AtLeast: 20,
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			runner, err := NewRunner(pipelinetest.Settings(t, "checks"), next, checks, Schedule{})
			require.NoError(t, err)
			return runner
		},
	})
}

func TestRefusesChecksThatAreNone(t *testing.T) {
	good := checkOf("a", time.Second, ok)
	for name, spoil := range map[string]struct {
		checks   []Check
		schedule Schedule
		message  string
	}{
		"twice":       {[]Check{good, good}, Schedule{}, `check "a" is there twice`},
		"no rule":     {[]Check{{ID: "a", Interval: 1, Run: ok}}, Schedule{}, `check "a" asks nothing, or nobody judges it`},
		"no run":      {[]Check{{ID: "a", Interval: 1, Rules: good.Rules}}, Schedule{}, `check "a" asks nothing, or nobody judges it`},
		"no interval": {[]Check{checkOf("a", 0, ok)}, Schedule{}, `check "a": an interval of 0s with a timeout of 0s is none`},
		"concurrency": {[]Check{good}, Schedule{Concurrency: -1}, "-1 checks at once are none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewRunner(pipelinetest.Settings(t, "checks"), nil, spoil.checks, spoil.schedule)
			require.EqualError(t, err, spoil.message)
		})
	}
}

func TestRunsAtAFixedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(Schedule{}, checkOf("fast", 10*time.Second, ok), checkOf("slow", 10*time.Second, takes(4*time.Second)))
		l.sleep(35 * time.Second)
		require.Equal(t, seconds(0, 10, 20, 30), l.startsOf("fast"))
		require.Equal(t, seconds(0, 10, 20, 30), l.startsOf("slow"), "its own time does not add to the interval")
		require.Equal(t, 4, l.count("otelnpd.check.runs", map[string]string{"receiver": "checks", "check": "fast", "result": "ok"}))
		require.Equal(t, 4, l.count("otelnpd.check.duration", map[string]string{"check": "slow"}))
		require.Equal(t, 8, l.count("otelnpd.check.start_delay", map[string]string{"receiver": "checks"}))
	})
}

func TestSkipsWhatIsDueDuringARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(Schedule{}, checkOf("slow", 10*time.Second, takes(25*time.Second)), checkOf("other", 10*time.Second, ok))
		l.sleep(65 * time.Second)
		require.Equal(t, seconds(0, 30, 60), l.startsOf("slow"), "neither beside itself nor in bursts")
		require.Len(t, l.startsOf("other"), 7, "nobody else waits")
		require.Equal(t, 4, l.count("otelnpd.check.skipped_runs", map[string]string{"reason": "running"}))
	})
}

func TestLimitsHowManyRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		var beside, most atomic.Int32
		var checks []Check
		for i := range 6 {
			checks = append(checks, checkOf(fmt.Sprint("c", i), time.Minute, func(ctx context.Context) Report {
				most.Store(max(most.Load(), beside.Add(1)))
				defer beside.Add(-1)
				return takes(10 * time.Second)(ctx)
			}))
		}
		l.start(Schedule{Concurrency: 2}, checks...)
		l.sleep(95 * time.Second)
		require.Equal(t, int32(2), most.Load())
		for i := range 6 {
			at := float64(i / 2 * 10)
			require.Equal(t, seconds(at, 60+at), l.startsOf(fmt.Sprint("c", i)), "first come, first served; waiting moves no schedule")
		}
	})
}

func TestSkipsWhatWaitsForAWholeInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(Schedule{Concurrency: 1}, checkOf("long", time.Hour, takes(35*time.Second)), checkOf("short", 10*time.Second, ok))
		l.sleep(45 * time.Second)
		require.Equal(t, seconds(35, 40), l.startsOf("short"))
		require.Equal(t, 3, l.count("otelnpd.check.skipped_runs", map[string]string{"reason": "waiting"}))
	})
}

func TestSpreadsTheFirstRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.make(Schedule{Spread: true}, checkOf("a", time.Minute, ok), checkOf("b", time.Second, ok), checkOf("c", time.Minute, ok), checkOf("d", time.Minute, ok))
		l.runner.random = func() float64 { return 0.5 }
		require.NoError(t, l.runner.Start(t.Context()))
		defer func() { require.NoError(t, l.runner.Shutdown(context.Background())) }()
		l.sleep(2 * time.Minute)
		require.Equal(t, seconds(0, 63), l.startsOf("a"), "then up to a tenth of the interval late")
		require.Equal(t, seconds(0.25, 1.3, 2.3, 3.3), l.startsOf("b")[:4], "and no lateness adds to the next")
		require.Equal(t, seconds(1, 64), l.startsOf("c"))
		require.Equal(t, seconds(1.5, 64.5), l.startsOf("d"))
	})
}

func TestMakesUpForNothingAfterASuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(Schedule{}, checkOf("a", 10*time.Minute, ok))
		l.sleep(time.Minute)
		l.clock.suspend(time.Hour)
		l.sleep(time.Minute)
		require.Len(t, l.startsOf("a"), 2, "once, within a minute")
		require.Equal(t, 5, l.count("otelnpd.check.skipped_runs", map[string]string{"reason": "late"}))
		l.sleep(10 * time.Minute)
		require.Equal(t, 70*time.Minute, l.startsOf("a")[2], "the rate is still that of the start")
	})
}

func TestEndsARunAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		c := checkOf("a", time.Minute, func(ctx context.Context) Report {
			<-ctx.Done()
			return Report{Findings: []Finding{{State: pipeline.StateUnknown, Message: ctx.Err().Error()}}}
		})
		c.Timeout = 5 * time.Second
		l.start(Schedule{}, c)
		l.sleep(6 * time.Second)
		require.Len(t, l.verdicts(), 1)
		require.Equal(t, "context deadline exceeded", l.verdicts()[0].Message)
		require.Zero(t, l.count("otelnpd.check.failed_runs", nil))
	})
}

// A check that waits for a dead disk cannot be ended. It must not take the places of
// those that could.
func TestARunThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		release := make(chan struct{})
		hung := checkOf("hung", 10*time.Second, func(ctx context.Context) Report {
			<-release
			return ok(ctx)
		})
		hung.Timeout = 3 * time.Second
		l.start(Schedule{Concurrency: 1}, hung, checkOf("other", 10*time.Second, ok))
		l.sleep(4 * time.Second)
		require.Empty(t, l.startsOf("other"))
		l.sleep(21 * time.Second)
		require.Equal(t, seconds(5, 10, 20), l.startsOf("other"))
		require.Equal(t, "a run has not ended 2s after its timeout of 3s", l.verdicts()[0].Message)
		require.Equal(t, pipeline.StateUnknown, l.verdicts()[0].State)
		require.Equal(t, pipeline.Status{
			State:  pipeline.ComponentDegraded,
			Reason: "hung: a run has not ended 2s after its timeout of 3s",
			Remedy: "see what it waits for: a file system or a device may not answer",
		}, l.statuses.Last())
		close(release)
		l.sleep(8 * time.Second)
		require.Equal(t, seconds(0, 30), l.startsOf("hung"))
		require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
		for _, v := range l.verdicts() {
			if v.Rule == "hung" && v.State == pipeline.StateOK {
				require.Equal(t, time.Hour+30*time.Second, v.Verdict.Start, "what a run says that comes too late is of long ago")
			}
		}
		require.Equal(t, 1, l.count("otelnpd.check.failed_runs", map[string]string{"reason": "overdue"}))
	})
}

func TestAFaultInACheckIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(Schedule{}, checkOf("bad", time.Minute, func(context.Context) Report { panic("index out of range") }), checkOf("good", time.Minute, ok))
		l.sleep(time.Second)
		require.Len(t, l.verdicts(), 2)
		for _, v := range l.verdicts() {
			require.Equal(t, v.Rule == "bad", v.State == pipeline.StateUnknown)
		}
		require.Equal(t, "bad: a fault in the check itself: index out of range", l.statuses.Last().Reason)
		require.Equal(t, 1, l.count("otelnpd.check.failed_runs", map[string]string{"reason": "panic"}))
		require.Equal(t, 1, l.count("otelnpd.check.runs", map[string]string{"check": "bad", "result": "unknown"}))
	})
}

func TestTellsFirstThatThereIsNoBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(Schedule{})
		require.Len(t, l.sink.Records(), 1, "also where there is no check")
		end := l.sink.Records()[0]
		require.Equal(t, pipeline.EventBacklogEnd, end.EventName)
		require.Equal(t, "checks", end.Receiver)
		complete, _ := end.Attribute(pipeline.AttributeBacklogComplete)
		require.True(t, complete.AsBool())
	})
}

func TestShutdownInterruptsRunsAndTellsNothingOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.make(Schedule{}, checkOf("a", time.Minute, func(ctx context.Context) Report {
			<-ctx.Done()
			return Report{Findings: []Finding{{State: pipeline.StateProblem}}, Degraded: &Degraded{Reason: "interrupted"}}
		}))
		require.NoError(t, l.runner.Start(t.Context()))
		l.sleep(time.Second)
		require.NoError(t, l.runner.Shutdown(context.Background()))
		require.NoError(t, l.runner.Shutdown(context.Background()))
		require.Empty(t, l.verdicts())
		require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, l.statuses.Last())
	})
}

func TestShutdownWaitsNoLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.make(Schedule{}, checkOf("a", time.Minute, takes(30*time.Second)))
		require.NoError(t, l.runner.Start(t.Context()))
		l.sleep(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.ErrorContains(t, l.runner.Shutdown(ctx), "wait for the checks that are running: context deadline exceeded")
		require.NoError(t, l.runner.Shutdown(context.Background()), "a second one may have more time")
		require.Empty(t, l.verdicts())
	})
}

// Consumers are called by one goroutine at a time, also where many runs end at once
// and the one before waits.
func TestSendsOneBatchARunAndOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		var beside atomic.Int32
		batches := 0
		next := pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
			if beside.Add(1) > 1 {
				t.Error("two batches at once")
			}
			defer beside.Add(-1)
			time.Sleep(time.Second)
			if batch[0].Problem != nil {
				batches++
				require.Len(t, batch, 3)
			}
			return nil
		})
		var checks []Check
		for i := range 5 {
			c := checkOf(fmt.Sprint("c", i), time.Minute, func(context.Context) Report {
				return Report{Complete: true, Findings: []Finding{{Instance: "a", State: pipeline.StateOK}, {Instance: "b", State: pipeline.StateProblem}}}
			})
			c.Rules = []condition.Rule{rule(c.ID)}
			checks = append(checks, c)
		}
		runner, err := NewRunner(l.settings, next, checks, Schedule{})
		require.NoError(t, err)
		require.NoError(t, runner.Start(t.Context()))
		l.sleep(20 * time.Second)
		require.NoError(t, runner.Shutdown(context.Background()))
		require.Equal(t, 5, batches)
	})
}

func TestARefusedVerdictIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.sink.Gate = func(context.Context) error { return pipelinetest.ErrShutDown }
		l.start(Schedule{}, checkOf("a", time.Minute, ok))
		require.Equal(t, 1, l.count("otelnpd.check.failed_runs", map[string]string{"reason": "refused"}))
	})
}
