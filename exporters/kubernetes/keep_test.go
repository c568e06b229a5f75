package kubernetes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeevents"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

func same(*kubernetes.Config) {}

// A reload while nothing gets through: what waits, and what comes between the two, is
// told once, and the metrics are as if there had been one exporter.
func TestHandOver(t *testing.T) {
	simulate(t, func(s *simulation) {
		t := s.t
		s.problem("told")
		s.pass(time.Minute)
		s.since()
		s.hang(true)
		s.problem("waits")
		s.problem("waits")
		s.match("hung", "TaskHung")
		before := s.figures()
		require.InDelta(t, 3, before["exporter.queue_length"], 0)
		require.InDelta(t, 1, before["kubernetes.seeded"], 0)
		require.Positive(t, before["kubernetes.last_patch.time"])
		for range 3 {
			s.handOver(func(config *kubernetes.Config) { config.HeartbeatPeriod += time.Second }, func() {})
			require.Equal(t, before, s.figures(), "nothing adds up, nothing is lost")
		}
		require.NoError(t, mustNotRead(s.since()))
		s.hang(false)
		s.handOver(same, func() {
			s.problem("between")
			s.match("slow", "SlowIO")
		})
		require.NoError(t, mustNotRead(s.requests))
		require.Contains(t, s.since(), "PATCH Deadlock=True Slow=True")
		require.Equal(t, pipeline.ComponentOK, s.statuses.Last().State)
		s.pass(time.Minute)
		counts := s.counts(t)
		require.Len(t, counts, 5)
		require.EqualValues(t, 1, counts["told"])
		require.EqualValues(t, 2, counts["waits"])
		require.EqualValues(t, 1, counts["between"])
		after := s.figures()
		require.InDelta(t, 5, after["kubernetes.events/written"], 0)
		require.InDelta(t, 1, after["kubernetes.events/folded"], 0)
		require.NotContains(t, after, "exporter.queue_length")
		s.end()
		require.NotContains(t, s.figures(), "exporter.queue_size")
		require.Contains(t, s.figures(), "kubernetes.seeded", "the next one takes it over")
		require.ErrorContains(t, s.Consume(t.Context(), nil), "is shut down")
		require.NotNil(t, s.kept(), "what it kept is still there")
	})
}

// A scrape may come between any two steps of a reload: it finds every series, once.
func TestEverySeriesStandsAtEachStepOfAHandOver(t *testing.T) {
	simulate(t, func(s *simulation) {
		t := s.t
		s.problem("told")
		s.pass(time.Minute)
		want := s.series()
		require.Contains(t, want, "otelnpd.kubernetes.seeded exporter=kubernetes")
		for range 3 {
			old, next := s.keeper, s.create()
			require.Equal(t, want, s.series(), "made")
			s.end()
			require.Equal(t, want, s.series(), "the old one has ended")
			next.Inherit(old)
			require.Equal(t, want, s.series(), "inherited")
			require.NoError(t, next.Resume(s.kept()))
			s.keeper = next
			require.Equal(t, want, s.series(), "resumed")
			s.start()
			require.Equal(t, want, s.series(), "started")
		}
		require.NoError(t, s.Shutdown(t.Context()))
		require.NotContains(t, s.series(), "otelnpd.kubernetes.seeded exporter=kubernetes")
	})
}

func TestHandOverToOneWithoutEvents(t *testing.T) {
	simulate(t, func(s *simulation) {
		t := s.t
		s.problem("told")
		s.hang(true)
		s.problem("waits")
		s.handOver(func(config *kubernetes.Config) { config.Events.Enabled = false }, func() {})
		s.hang(false)
		require.InDelta(t, 1, s.figures()["kubernetes.events/written"], 0)
		require.InDelta(t, 1, s.figures()["kubernetes.events/suppressed"], 0, "it has an outcome")
		require.NotContains(t, s.figures(), "exporter.queue_length")
		require.Nil(t, s.kept())
		s.handOver(func(config *kubernetes.Config) { config.Events.Enabled = true }, func() {})
		s.problem("again")
		s.pass(time.Second)
		require.InDelta(t, 2, s.figures()["kubernetes.events/written"], 0)
		require.Len(t, s.counts(t), 2)
	})
}

func TestEndWithKeeping(t *testing.T) {
	simulate(t, func(s *simulation) {
		t := s.t
		s.settings.Keeping.IsDurable = func() bool { return true }
		s.handOver(same, func() {})
		s.pass(time.Minute)
		s.problem("told")
		s.hang(true)
		s.problem("told")
		s.problem("waits")
		soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.Shutdown(soon), "nothing is lost")
		text, counted := s.kept(), s.figures()
		require.NotContains(t, counted, "kubernetes.events/suppressed")
		require.NotContains(t, counted, "kubernetes.seeded", "who is no more shows nothing")
		s.hang(false)
		s.newProcess()
		require.NoError(t, s.Resume(text))
		s.start()
		require.Equal(t, map[string]int32{"told": 2, "waits": 1}, s.counts(t))
		require.InDelta(t, 3, s.figures()["kubernetes.events/written"], 0, "the counter goes on")
	})
}

func TestShutdownBeforeStart(t *testing.T) {
	simulate(t, func(s *simulation) {
		t := s.t
		unstarted := s.create()
		require.NoError(t, unstarted.Consume(t.Context(), []pipeline.Record{s.record("a")}))
		require.ErrorContains(t, unstarted.Shutdown(t.Context()), "1 occurrences could not be told")
		require.InDelta(t, 1, s.figures()["kubernetes.events/suppressed"], 0)
		require.NotContains(t, s.figures(), "exporter.queue_length")
	})
}

func TestResumeRefuses(t *testing.T) {
	simulate(t, func(s *simulation) {
		t := s.t
		require.ErrorContains(t, s.create().Resume([]byte(`[]`)), "read what is kept of exporter kubernetes")
		require.ErrorContains(t, s.create().Resume([]byte(`{"events":{"outcomes":{"written":-1}}}`)), "cannot be")
		require.NoError(t, s.create().Resume([]byte(`{"later":1}`)))
		s.config.Events.Enabled = false
		require.ErrorContains(t, s.create().Resume([]byte(`{"events":[]}`)), "read what is kept of Events")
		s.create().Inherit(nil)
		require.True(t, json.Valid(s.kept()))
	})
}

// Whenever the agent is killed or the exporter replaced, in the end each Event has its
// exact count.
func TestKills(t *testing.T) {
	for seed := range uint64(30) {
		simulate(t, func(s *simulation) {
			t := s.t
			random := rand.New(rand.NewPCG(seed, 1))
			s.config.Events.PerReason, s.config.Events.Total = nodeevents.Budget{Burst: 10_000, PerMinute: 10_000}, nodeevents.Budget{Burst: 10_000, PerMinute: 10_000}
			s.handOver(same, func() {})
			want, kept, since := map[string]int32{}, s.kept(), []pipeline.Record(nil)
			for range 100 {
				switch random.IntN(8) {
				case 0, 1, 2:
					message := fmt.Sprint("message ", random.IntN(5))
					want[message]++
					since = append(since, s.record(message))
					s.consume(since[len(since)-1])
				case 3:
					s.pass(time.Duration(random.IntN(2000)) * time.Millisecond)
				case 4:
					s.hang(random.IntN(2) == 0)
				case 5:
					kept, since = s.kept(), nil
				case 6: // a reload: it is kept after that
					s.handOver(same, func() {})
				case 7:
					s.end() // whatever that left is gone with the process
					s.newProcess()
					require.NoError(t, s.Resume(kept))
					s.start()
					s.consume(since...)
				}
			}
			s.hang(false)
			s.pass(time.Minute)
			require.Equal(t, want, s.counts(t), "seed %d", seed)
			told := int32(0)
			for _, n := range want {
				told += n
			}
			figures := s.figures()
			require.InDelta(t, told, figures["kubernetes.events/written"]+figures["kubernetes.events/folded"], 0)
		})
	}
}

// A reload that only drops a type publishes no transition, but how the others stand.
func TestReloadThatDropsACondition(t *testing.T) {
	for name, tt := range map[string]struct {
		dropped kubernetes.DroppedConditions
		left    int // of the two types
		want    string
	}{
		"one of two": {kubernetes.DropDelete, 1, "PATCH Deadlock=False -Slow"},
		"all":        {kubernetes.DropDelete, 0, "PATCH -Deadlock -Slow"},
		"one stays":  {kubernetes.DropLeave, 1, "PATCH Deadlock=False"},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				t := s.t
				s.handOver(func(config *kubernetes.Config) { config.DroppedConditions = tt.dropped }, func() {})
				s.pass(time.Minute)
				s.since()
				fewer := conditionConfig()
				fewer.Hash, fewer.Types, fewer.Rules = "two", fewer.Types[:tt.left], fewer.Rules[:tt.left]
				require.NoError(t, s.store.Configure(fewer))
				s.ConditionsChanged()
				s.pass(time.Second)
				require.Equal(t, []string{tt.want}, s.since())
				require.Empty(t, s.store.Deletions())
			})
		})
	}
}

// The same on the stand-in server, by HTTP.
func TestDroppedConditions(t *testing.T) {
	for dropped, want := range map[kubernetes.DroppedConditions][]string{
		kubernetes.DropDelete: {"Ready=True KubeletReady"},
		kubernetes.DropLeave:  {"Deadlock=False NoDeadlock", "Ready=True KubeletReady"},
	} {
		t.Run(string(dropped), func(t *testing.T) {
			l := newLab(t, newServer(t), func(l *lab) { l.config.DroppedConditions = dropped })
			l.start()
			l.endBacklog()
			l.await(pipeline.ComponentOK)
			require.NoError(t, l.store.Configure(&condition.Config{
				Hash: "two", Types: []condition.Type{{Name: "Ready", HealthyReason: "Fine", Reserved: true}},
				Rules: []condition.Rule{{ID: "kubelet", Condition: "Ready", Reason: "KubeletDown"}},
			}))
			told, ok := l.exporter.(interface{ ConditionsChanged() })
			require.True(t, ok)
			told.ConditionsChanged()
			require.Eventually(t, func() bool { return len(l.store.Deletions()) == 0 }, 5*time.Second, 10*time.Millisecond, "long before the next look")
			require.Equal(t, want, l.server.conditions())
			l.stop()
		})
	}
}

// A reload over HTTP: the request under way is cut off, and the next exporter makes it.
func TestHandOverOverHTTP(t *testing.T) {
	l := newLab(t, newServer(t))
	l.start()
	l.endBacklog()
	l.await(pipeline.ComponentOK)
	release := l.server.hold()
	l.match("oops", "KernelOops")
	l.server.awaitMore(t, http.MethodPut, 1)
	now, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	require.NoError(t, l.exporter.Shutdown(now))
	require.Less(t, time.Since(begun), 5*time.Second, "a request that hangs is not waited for")
	old, ok := l.exporter.(keeper)
	require.True(t, ok)
	release()
	text, err := old.Keep()()
	require.NoError(t, err)
	l.exporter, err = kubernetes.NewFactory(l.store).Create(l.settings, l.config)
	require.NoError(t, err)
	next, ok := l.exporter.(keeper)
	require.True(t, ok)
	next.Inherit(old)
	require.NoError(t, next.Resume(text))
	require.NoError(t, next.Start(t.Context()))
	l.server.awaitMore(t, http.MethodPut, 2)
	l.await(pipeline.ComponentOK)
	l.stop()
	require.Equal(t, []string{"KernelOops of uid-1"}, l.server.told(t))
	require.Equal(t, 1, count(l.server.all(), http.MethodGet))
}
