package nodeconditions_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// hang is a server that does not answer.
func hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return &apiserver.Error{Kind: apiserver.Unreachable, Err: ctx.Err()}
}

func TestChangesAreToldAtOnceAndThenOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		c.forget()
		began := time.Since(c.start)
		l.match("hung") // at once
		require.Equal(t, []time.Duration{began}, c.at())
		pass(100 * time.Millisecond)
		l.match("slow")
		l.clear("Deadlock")
		l.matchSaying("hung", "the newest")
		pass(10 * time.Millisecond)
		require.Len(t, c.at(), 1, "a second has not passed")
		pass(time.Minute)
		require.Equal(t, []string{
			hung,
			"PATCH node-1 Deadlock=True Slow=True", // the newest of three, all types
			hung,                                   // its ttl
		}, c.all())
		require.Equal(t, []time.Duration{began, began + time.Second, began + 10100*time.Millisecond}, c.at())
		require.Equal(t, `True TaskHung "the newest" since 1m0s`, c.shown("Deadlock"))
	})
}

func TestAnswersThatTakeLongQueueNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		c.forget()
		c.answer(func(context.Context, string) error { time.Sleep(3 * time.Second); return nil })
		for range 10 {
			l.match("hung")
			pass(100 * time.Millisecond)
			l.clear("Deadlock")
			pass(100 * time.Millisecond)
		}
		pass(time.Minute)
		require.Equal(t, []string{hung, healthy}, c.all(), "one was under way, the newest came after it")
	})
}

func TestWhatIsToldTwiceIsPatchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		for range 50 {
			l.patcher.Changed()
			l.publish() // a reload tells how all conditions stand
			pass(100 * time.Millisecond)
		}
		require.Equal(t, []string{get, healthy}, c.all())
	})
}

func TestHeartbeats(t *testing.T) {
	for name, period := range map[string]time.Duration{
		"the default": 5 * time.Minute, "the shortest": time.Second, "longer than the look for changes": 15 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				l := newLab(t, c, func(l *lab) { l.config.HeartbeatPeriod = period })
				l.settle()
				pass(time.Hour)
				require.Equal(t, get, c.all()[0], "the only one")
				for _, request := range c.all()[1:] {
					require.Equal(t, healthy, request)
				}
				beats := c.at()[1:]
				require.GreaterOrEqual(t, len(beats), int(float64(time.Hour)/float64(period)/1.1))
				require.LessOrEqual(t, len(beats), 1+int(float64(time.Hour)/float64(period)/0.9))
				different := map[time.Duration]bool{}
				for i := range beats[1:] {
					gap := beats[i+1] - beats[i]
					require.GreaterOrEqual(t, gap, min(max(period*9/10, time.Second), period))
					require.LessOrEqual(t, gap, period*11/10)
					different[gap] = true
				}
				require.Greater(t, len(different), len(beats)/3, "they are spread")
			})
		})
	}
}

func TestPatchPutsOffTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		for i := range 30 {
			pass(4 * time.Minute)
			if i%2 == 0 {
				l.match("hung")
			} else {
				l.clear("Deadlock")
			}
		}
		require.Len(t, c.all(), 2+30)
	})
}

func TestWallClockMovesNoTimer(t *testing.T) {
	for _, step := range []time.Duration{-1000 * time.Hour, 1000 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster()
			l := newLab(t, c)
			l.settle()
			pass(time.Minute)
			l.clock.stepWall(step)
			pass(time.Minute)
			require.Len(t, c.all(), 2)
			pass(4 * time.Minute)
			require.Len(t, c.all(), 3)
			require.Equal(t, step, c.patched()[1].Heartbeat.Sub(c.start)-c.at()[2], "it is told by the wall clock")
		})
	}
}

func TestAnotherWriterIsHealedByTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		c.create("uid-1", condition.NodeCondition{Type: "Deadlock", Status: "True", Reason: "Mischief"})
		pass(330 * time.Second)
		require.Equal(t, `False NoDeadlock "none" since 0s`, c.shown("Deadlock"))
	})
}

func TestRetries(t *testing.T) {
	throttled := apiError(apiserver.Throttled, 429)
	throttled.RetryAfter = 30 * time.Second
	for name, tt := range map[string]struct {
		err         error
		least, most int // tries in five minutes
		status      string
	}{
		"unreachable":  {apiError(apiserver.Unreachable, 0), 28, 44, "unreachable"},
		"unauthorized": {apiError(apiserver.Unauthorized, 401), 28, 44, "unauthorized (401)"},
		"forbidden":    {apiError(apiserver.Forbidden, 403), 28, 44, "forbidden (403)"},
		"conflict":     {apiError(apiserver.Conflict, 409), 28, 44, "conflict (409)"},
		"throttled":    {throttled, 8, 11, "throttled (429)"},
		"server error": {apiError(apiserver.ServerError, 500), 28, 44, "server_error (500)"},
		"refused":      {apiError(apiserver.Refused, 413), 28, 44, "refused (413)"},
		"strange":      {errors.New("strange"), 28, 44, "strange"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				l := newLab(t, c)
				l.settle()
				pass(time.Minute)
				c.forget()
				c.answer(fail("PATCH", tt.err))
				l.match("hung")
				for i := range 300 { // changes do not hasten it
					l.matchSaying("slow", strings.Repeat("m", i))
					pass(time.Second)
				}
				require.GreaterOrEqual(t, len(c.all()), tt.least)
				require.LessOrEqual(t, len(c.all()), tt.most)
				require.NotContains(t, strings.Join(c.all(), " "), "GET")
				require.Equal(t, "ok, "+tt.status, l.statuses())
				for i, at := range c.at()[1:] {
					gap := at - c.at()[i]
					require.GreaterOrEqual(t, gap, 800*time.Millisecond<<min(i, 3), "it doubles, give or take a fifth")
				}
				c.answer(nil)
				pass(36 * time.Second)
				require.Equal(t, "ok, "+tt.status+", ok", l.statuses())
				require.Equal(t, `True TaskHung "message of hung" since 1m0s`, c.shown("Deadlock"))
				l.match("slow")
			})
		})
	}
}

func TestBackOffBeginsAnewAfterASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		for range 3 {
			c.answer(fail("PATCH", apiError(apiserver.ServerError, 500)))
			pass(10 * time.Minute)
			c.answer(nil)
			pass(time.Minute)
			c.forget()
			l.clear("Deadlock")
			c.answer(fail("PATCH", apiError(apiserver.ServerError, 500)))
			l.match("hung")
			pass(1200 * time.Millisecond)
			require.Len(t, c.all(), 2, "the first wait is a second")
		}
	})
}

func TestNodeIsDeletedAndCreatedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		c.forget()
		c.create("")
		l.match("hung")
		require.Equal(t, []string{hung}, c.all())
		require.Equal(t, "ok, not_found (404)", l.statuses())
		pass(time.Minute)
		require.InDelta(t, 8, len(c.all()), 2)
		for _, request := range c.all()[1:] {
			require.Equal(t, get, request, "it is looked for, not written")
		}
		c.create("uid-2", condition.NodeCondition{Type: "Ready", Status: "True"})
		c.forget()
		pass(12 * time.Second)
		require.Equal(t, []string{get, hung}, c.all(), "everything at once")
		require.Equal(t, []string{"uid-1", "uid-2"}, l.uids())
		require.Equal(t, "ok, not_found (404), ok", l.statuses())
		require.Equal(t, `True TaskHung "message of hung" since 1m0s`, c.shown("Deadlock"))
	})
}

func TestNodeMadeAnewBetweenTwoPatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		c.forget()
		c.create("uid-2")
		l.match("hung")
		require.Equal(t, []string{hung, get, hung}, c.all())
		require.Equal(t, []string{"uid-1", "uid-2"}, l.uids())
		require.Equal(t, "ok", l.statuses())
		require.Equal(t, "uid-2", c.patched()[0].UID)
	})
}

func TestAnswerOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		c.forget()
		c.create("uid-2")
		c.answerAs("uid-2") // whatever UID the patch has
		l.match("hung")
		require.Equal(t, []string{hung, get, hung}, c.all())
		require.Equal(t, []string{"uid-1", "uid-2"}, l.uids())
		require.Equal(t, "ok", l.statuses())
	})
}

// A server that contradicts itself is asked no more often than one that fails.
func TestNodeMadeAnewAgainAndAgain(t *testing.T) {
	for name, change := range map[string]func(*cluster){
		"by its answers":  func(c *cluster) { c.answerAs("uid-3") },
		"by its refusals": func(c *cluster) { c.answer(fail("PATCH", apiError(apiserver.UIDChanged, 422))) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				l := newLab(t, c)
				l.settle()
				pass(time.Minute)
				c.forget()
				change(c)
				l.match("hung")
				pass(5 * time.Minute)
				require.InDelta(t, 32*4, len(c.all()), 30)
				require.NotEqual(t, "ok", l.statuses())
				require.Equal(t, []string{"uid-1"}, l.uids())
				c.answer(nil)
				c.answerAs("")
				pass(15 * time.Second)
				require.True(t, strings.HasSuffix(l.statuses(), ", ok"), l.statuses())
			})
		})
	}
}

func TestTypesNoLongerDeclaredAreDeletedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		fewer := storeConfig()
		fewer.Types, fewer.Rules = fewer.Types[:2], fewer.Rules[:2]
		require.NoError(t, l.Configure(fewer))
		c.answer(fail("PATCH", apiError(apiserver.Unreachable, 0)))
		c.forget()
		l.patcher.Changed()
		pass(time.Minute)
		require.Equal(t, "PATCH node-1 Deadlock=False -Slow !", c.all()[0])
		require.Equal(t, []string{"Slow"}, l.Deletions())
		c.answer(nil)
		c.forget()
		pass(15 * time.Second)
		require.Equal(t, []string{"PATCH node-1 Deadlock=False -Slow"}, c.all())
		require.Empty(t, c.shown("Slow"))
		require.Empty(t, l.Deletions())
		pass(6 * time.Minute)
		require.Equal(t, "PATCH node-1 Deadlock=False", c.all()[1])
	})
}

func TestChangesThatNobodyTellsOfAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		c.forget()
		l.Publish(t.Context(), nil)
		l.match("hung")
		pass(10 * time.Second)
		require.Equal(t, []string{hung}, c.all())
	})
}

func TestWhatIsNotedIsWhatTheNodeHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		l.matchSaying("hung", "\x1b[31mhung\xff"+strings.Repeat("m", 5000))
		want := `\x1b[31mhung\xff` + strings.Repeat("m", 4077) + "…"
		require.Equal(t, want, c.patched()[1].Conditions[0].Message)
		require.Equal(t, c.patched()[1].Conditions, l.told()[2:])
		pass(4 * time.Minute)
		require.Len(t, c.patched(), 2, "it is what was accepted, not what the store says, that is compared")
	})
}

func TestFlush(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(t *testing.T, l *lab)
		want   []string
		err    string
	}{
		"nothing has changed": {func(*testing.T, *lab) {}, nil, ""},
		"a change within the second": {func(_ *testing.T, l *lab) {
			l.match("hung")
			l.clear("Deadlock")
		}, []string{hung, healthy}, ""},
		"a patch under way": {func(_ *testing.T, l *lab) {
			l.answer(hang)
			l.match("hung")
		}, []string{hung + " !", hung}, ""},
		"a heartbeat under way": {func(_ *testing.T, l *lab) {
			l.answer(hang)
			pass(330 * time.Second)
		}, []string{healthy + " !"}, ""},
		"a change in a back-off": {func(_ *testing.T, l *lab) {
			l.answer(fail("PATCH", apiError(apiserver.Unreachable, 0)))
			l.match("hung")
		}, []string{hung + " !", hung}, ""},
		"a change that is refused": {func(_ *testing.T, l *lab) {
			l.create("uid-2")
			l.clear("Deadlock")
			l.answer(fail("GET", apiError(apiserver.Forbidden, 403)))
			l.match("hung")
		}, []string{hung, get + " !"}, ""},
		"a deletion": {func(t *testing.T, l *lab) {
			t.Helper()
			fewer := storeConfig()
			fewer.Types, fewer.Rules = fewer.Types[:2], fewer.Rules[:2]
			require.NoError(t, l.Configure(fewer))
		}, []string{"PATCH node-1 Deadlock=False -Slow"}, ""},
		"the Node is gone": {func(_ *testing.T, l *lab) {
			l.create("")
			l.match("hung")
		}, []string{hung}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				l := newLab(t, c)
				l.settle()
				pass(time.Minute)
				c.forget()
				tt.before(t, l)
				l.stop()
				c.answer(nil)
				require.NoError(t, l.patcher.Flush(t.Context()))
				require.Equal(t, tt.want, c.all())
			})
		})
	}
}

func TestFlushFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		c.answer(hang)
		l.match("hung")
		l.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err := l.patcher.Flush(ctx)
		require.EqualError(t, err, "the Node was not told how the conditions stand at the end: context deadline exceeded")
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestFlushBeforeTheFirstPatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.answer(fail("PATCH", apiError(apiserver.Unreachable, 0)))
		l := newLab(t, c)
		l.settle()
		l.stop()
		c.answer(nil)
		require.NoError(t, l.patcher.Flush(t.Context()))
		require.Equal(t, []string{get, healthy + " !", healthy}, c.all())
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		reader := sdkmetric.NewManualReader()
		l := newLab(t, c, func(l *lab) {
			l.options.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
		})
		require.Empty(t, gauges(t, reader), "nobody works yet")
		c.answer(fail("GET", apiError(apiserver.Unreachable, 0)))
		l.begin()
		require.Equal(t, map[string]float64{"otelnpd.kubernetes.seeded": 0, "otelnpd.kubernetes.last_patch.time": 0}, gauges(t, reader))
		c.answer(nil)
		pass(6 * time.Second)
		require.Equal(t, map[string]float64{"otelnpd.kubernetes.seeded": 1, "otelnpd.kubernetes.last_patch.time": 0}, gauges(t, reader))
		pass(1500 * time.Millisecond)
		l.endBacklog()
		require.InDelta(t, float64(c.start.Unix())+7.5, gauges(t, reader)["otelnpd.kubernetes.last_patch.time"], 0)
		l.stop()
		require.Empty(t, gauges(t, reader), "nobody works any more")
	})
}

// gauges reads all gauges.
func gauges(t *testing.T, reader sdkmetric.Reader) map[string]float64 {
	t.Helper()
	var read metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &read))
	values := map[string]float64{}
	if len(read.ScopeMetrics) == 0 {
		return values
	}
	for _, m := range read.ScopeMetrics[0].Metrics {
		var attributes attribute.Set
		switch data := m.Data.(type) {
		case metricdata.Gauge[int64]:
			values[m.Name], attributes = float64(data.DataPoints[0].Value), data.DataPoints[0].Attributes
		case metricdata.Gauge[float64]:
			values[m.Name], attributes = data.DataPoints[0].Value, data.DataPoints[0].Attributes
		}
		require.Equal(t, attribute.NewSet(attribute.String("exporter", "kubernetes")), attributes)
	}
	return values
}

func TestChangedNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, &cluster{start: time.Now()})
		for range 1000 {
			l.patcher.Changed()
		}
	})
}
