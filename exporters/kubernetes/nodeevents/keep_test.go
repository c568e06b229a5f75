package nodeevents

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

func (s *stand) keep() []byte {
	s.t.Helper()
	text, err := s.Keep()()
	require.NoError(s.t, err)
	return text
}

// restart kills the agent's process and starts it again with what was kept, perhaps
// changed.
func (s *stand) restart(kept []byte, change ...func(*stand)) {
	s.t.Helper()
	s.stop()
	s.newProcess()
	for _, f := range change {
		f(s)
	}
	s.create()
	require.NoError(s.t, s.Resume(kept))
	s.run()
	synctest.Wait()
}

// handOver replaces the recorder, as a reload does.
func (s *stand) handOver() {
	s.t.Helper()
	s.stop()
	old := s.Recorder
	old.Retire()
	s.create()
	s.Inherit(old)
	text, err := old.Keep()()
	require.NoError(s.t, err)
	require.NoError(s.t, s.Resume(text))
	s.run()
	synctest.Wait()
}

func TestRestartGoesOnCounting(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda", "sdb", "sda")
		s.answers(apiserver.Unreachable)
		s.tell(t, "IOError", "sda", "sdb", "sdc")
		before, kept := s.figures(t), s.keep()
		s.answers(0)
		s.theTries()
		s.restart(kept)
		require.Equal(t, before, s.figures(t), "counters and gauges go on")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, s.theTries(), "the Node is not known yet")
		s.SetNode("node-uid")
		synctest.Wait()
		require.Equal(t, []string{"sda x3 @3600", "sdb x2 @3600", "sdc x1 @3600"}, s.theTries(), "in their order, that on its way first")
		require.Equal(t, outcomesOf(5, 1, 0, 0), s.outcomes(t))
		require.Zero(t, s.figures(t)["otelnpd.exporter.queue_length"])

		again := s.keep()
		s.restart(again)
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda")
		require.Equal(t, map[string]int32{"sda": 4, "sdb": 2, "sdc": 1}, s.has(), "series that are told go on too")
		require.Len(t, s.events, 3, "under their names")
	})
}

func TestANodeMadeAnewMeanwhileBeginsNewSeries(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda")
		s.restart(s.keep())
		s.restart(s.keep()) // the Node was not seen between the two
		s.SetNode("another")
		s.tell(t, "IOError", "sda")
		require.Len(t, s.events, 2)
		for _, event := range s.events {
			require.EqualValues(t, 1, event.Count)
		}
	})
}

// A crash loop gets no fresh burst each time.
func TestBudgetsGoOn(t *testing.T) {
	config := DefaultConfig()
	config.PerReason, config.Total = Budget{Burst: 4, PerMinute: 6}, Budget{Burst: 40, PerMinute: 60}
	inBubble(t, config, func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		tell := func() {
			t.Helper()
			for range 10 {
				s.tell(t, "IOError", fmt.Sprint("disk ", s.next))
			}
		}
		tell()
		require.Len(t, s.has(), 4)
		for range 5 {
			s.restart(s.keep())
			s.SetNode("node-uid")
			tell()
			require.Len(t, s.has(), 4)
		}
		require.Equal(t, outcomesOf(4, 0, 56, 0), s.outcomes(t))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s.restart(s.keep())
		time.Sleep(time.Second)
		synctest.Wait()
		s.SetNode("node-uid")
		tell()
		require.Equal(t, outcomesOf(6, 0, 64, 0), s.outcomes(t), "one token comes in 10 s")

		s.restart(s.keep(), func(s *stand) { s.options.Boot.ID = "another" })
		s.SetNode("node-uid")
		tell()
		require.Equal(t, outcomesOf(10, 0, 70, 0), s.outcomes(t), "in another boot they are full")
	})
}

// A reload of the budgets: what was spent is missing, what was added can be used.
func TestBudgetsOfAnotherSize(t *testing.T) {
	config := DefaultConfig()
	config.PerReason, config.Total = Budget{Burst: 4, PerMinute: 6}, Budget{Burst: 40, PerMinute: 60}
	l := ledgerFor(config)
	for i := range 10 {
		told(t, l, start, problemRecord(i, "IOError", fmt.Sprint("disk ", i), start))
	}
	require.Len(t, sent(l, start), 4)
	text, err := l.snapshot(bootID, start.Boot).encode()
	require.NoError(t, err)
	for burst, want := range map[int]int{4: 0, 7: 3, 1: 0} {
		config.PerReason.Burst = burst
		next := resumed(t, text, config, l.maxBytes, start)
		next.setNode("node-uid")
		for i := range 10 {
			told(t, next, start, problemRecord(100+i, "IOError", fmt.Sprint("another disk ", i), start))
		}
		require.Len(t, sent(next, start), want, "burst %d", burst)
	}
}

func TestPaceGoesOn(t *testing.T) {
	config := DefaultConfig()
	config.PerReason, config.Total = Budget{1000, 1000}, Budget{Burst: 4, PerMinute: 6}
	inBubble(t, config, func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.answers(apiserver.Unreachable)
		for range 3 {
			s.tell(t, "IOError", fmt.Sprint("disk ", s.next))
			s.restart(s.keep())
			s.SetNode("node-uid")
			synctest.Wait()
		}
		require.Len(t, s.theTries(), 4, "one each time: a request that is tried again takes a token too")
		s.tell(t, "IOError", "sda")
		s.restart(s.keep())
		s.SetNode("node-uid")
		synctest.Wait()
		require.Empty(t, s.theTries())
	})
}

func TestFloodGoesOn(t *testing.T) {
	config := DefaultConfig()
	config.PerReason = Budget{Burst: 1, PerMinute: 1}
	inBubble(t, config, func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda", "sdb")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s.restart(s.keep())
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sdc")
		require.Equal(t, 1, strings.Count(s.log.String(), "too many or too old Events"), "it is the same flood")
		time.Sleep(29 * time.Second)
		synctest.Wait()
		require.Len(t, s.has(), 1)
		s.answers(apiserver.Unreachable)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		name := s.ledger.summary.event.Name
		s.answers(0)
		s.restart(s.keep())
		s.SetNode("node-uid")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Contains(t, s.events, name, "a summary on its way goes on under its name")
		require.Contains(t, s.events[name].Message, "Occurrences without an Event: 2 (2 over the budget)")
		require.Equal(t, outcomesOf(1, 0, 2, 0), s.outcomes(t))

		s.tell(t, "IOError", "sdd")
		s.restart(s.keep(), func(s *stand) { s.options.Boot.ID = "another" })
		s.SetNode("node-uid")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, s.has(), 3, "what the boot ended is told at once")
	})
}

// What a reload replaces is in the process's counters and gauges already.
func TestHandOver(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda", "sdb")
		s.answers(apiserver.Unreachable)
		s.tell(t, "IOError", "sda", "sdc")
		before := s.figures(t)
		for range 3 {
			s.handOver()
			require.Equal(t, before, s.figures(t))
		}
		s.answers(0)
		s.SetNode("node-uid")
		synctest.Wait()
		require.Equal(t, map[string]int32{"sda": 2, "sdb": 1, "sdc": 1}, s.has())
		require.Equal(t, outcomesOf(4, 0, 0, 0), s.outcomes(t))
		s.stop()
		s.Retire()
		s.Retire()
		require.Zero(t, s.figures(t)["otelnpd.exporter.queue_size"], "idle series are no longer held")
	})
}

func TestDrainKeepsWhatIsLeft(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.options.Keeping.IsDurable = func() bool { return true }
		s.restart(s.keep())
		s.SetNode("node-uid")
		s.answers(apiserver.Unreachable)
		s.tell(t, "IOError", "sda", "sdb", "sda")
		s.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.Drain(ctx))
		require.Contains(t, s.log.String(), `level=INFO msg="3 occurrences are kept for the next start"`)
		require.Equal(t, outcomesOf(0, 0, 0, 0), s.outcomes(t))
		require.Zero(t, s.figures(t)["otelnpd.exporter.queue_length"])
		s.answers(0)
		s.restart(s.keep())
		s.SetNode("node-uid")
		synctest.Wait()
		require.Equal(t, map[string]int32{"sda": 2, "sdb": 1}, s.has())
		s.stop()
		require.NoError(t, s.Drain(t.Context()))
		require.Equal(t, 1, strings.Count(s.log.String(), "are kept"), "nothing was left")
	})
}

func TestDiscard(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.tell(t, "IOError", "sda", "sda")
		s.restart(s.keep())
		require.EqualValues(t, 2, s.Discard())
		require.Equal(t, outcomesOf(0, 0, 2, 0), s.outcomes(t))
		require.ErrorIs(t, s.Record(t.Context(), nil), ErrClosed)
	})
}

func TestChangesAreToldOf(t *testing.T) {
	var changes atomic.Int64
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.options.Keeping.OnChanged = func() { changes.Add(1) }
		s.restart(s.keep())
		changed := func() bool { return changes.Swap(0) > 0 }
		s.SetNode("node-uid")
		require.True(t, changed())
		s.SetNode("node-uid")
		require.False(t, changed())
		s.answers(apiserver.Unreachable)
		s.tell(t, "IOError", "sda")
		require.True(t, changed())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.False(t, changed(), "tries that fail change nothing")
		s.next--
		s.tell(t, "IOError", "sda")
		require.False(t, changed(), "nor does what is known")
		s.answers(0)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, changed())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.False(t, changed(), "without problems there is nothing to write")
	})
}

// A Node whose clock was wrong, and texts that JSON and HTML would escape.
func TestWhatIsHardToWrite(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	far := pipeline.Instant{Wall: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)}
	edge := pipeline.Instant{Wall: time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC).In(time.FixedZone("", 14*3600))}
	record := problemRecord(1, "Far", "m", far)
	record.ObservedTime = start.Wall
	told(t, l, start, problemRecord(0, "IO<Error>", `a "quoted" & <b>`+"\xff\n", start), record, problemRecord(2, "Far", "none", far), problemRecord(3, "Edge", "m", edge))
	change := transitionRecord(7, "FileSystemFull", "91 %", start)
	change.Transition.Kind = pipeline.TransitionMessage
	told(t, l, start, change)
	text, err := l.snapshot(bootID, start.Boot).encode()
	require.NoError(t, err)
	require.NotContains(t, string(text), `\u003c`)
	next := resumed(t, text, l.config, l.maxBytes, start)
	next.setNode("node-uid")
	told(t, next, start, change) // told again: it is known by its message
	events := sent(next, start)
	require.Equal(t, []string{"IO<Error> a \"quoted\" & <b>�\n x1", "Far m x1", "Edge m x1"}, events[:3])
	require.Contains(t, events[3], "91 %")
	require.Equal(t, outcomesOf(4, 0, 1, 0), next.outcomes, "what has no time that can be told is too old")
}

func TestSmallerLedger(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	for i := range 20 {
		told(t, l, start, problemRecord(i, "IOError", fmt.Sprint("disk ", i), start))
	}
	text, err := l.snapshot(bootID, start.Boot).encode()
	require.NoError(t, err)
	next := resumed(t, text, l.config, 3000, start)
	require.LessOrEqual(t, next.bytes, 3000)
	require.EqualValues(t, 20, next.pending+next.outcomes[suppressedByUs], "what does not fit is summed up")
	require.Equal(t, next.flood.total(), next.outcomes[suppressedByUs])
}

func newRecorder(t *testing.T) *Recorder {
	t.Helper()
	r, err := New(DefaultConfig(), Options{
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Node: "node-1", Boot: pipeline.Boot{ID: bootID},
		Write: func(context.Context, *apiserver.Event) error { return nil }, Status: func(error) {},
	})
	require.NoError(t, err)
	return r
}

// aSeries is a series as it is kept, with some of its fields changed.
func aSeries(changed string) string {
	return `{"reason":"R","message":"m","source":"s","type":"Warning","uid":"00000000000000000000000000000001","last_uid":"00000000000000000000000000000001",` +
		`"first":"2026-01-02T03:04:05Z","last":"2026-01-02T03:04:05Z","severity":13,"count":2,"pending":1,"used":1` + changed + `}`
}

func TestResumeRefusesNonsense(t *testing.T) {
	require.NoError(t, newRecorder(t).Resume([]byte(`{"later":{"a":1},"series":[`+aSeries(`,"later":2`)+`]}`)), "what a later version adds is ignored")
	for text, want := range map[string]string{
		`{`: "read what is kept of Events",
		`{"series":[` + aSeries(`,"count":-1`) + `]}`:                                                                 "-1 occurrences wait",
		`{"series":[` + aSeries(`,"pending":3`) + `]}`:                                                                "3 of its 2 occurrences wait",
		`{"series":[` + aSeries(`,"count":9000000000000000000`) + `]}`:                                                "occurrences wait",
		`{"series":[` + aSeries(`,"type":"Bad"`) + `]}`:                                                               `its type is "Bad"`,
		`{"series":[` + aSeries(`,"uid":"`+strings.Repeat("0", 32)+`"`) + `]}`:                                        "it has no uid",
		`{"series":[` + aSeries(`,"reason":"a\nb"`) + `]}`:                                                            "its texts are none that are written",
		`{"series":[` + aSeries(`,"text":"`+strings.Repeat("x", 2000)+`"`) + `]}`:                                     "its texts are none",
		`{"series":[` + aSeries(`,"first":"2027-01-01T00:00:00Z"`) + `]}`:                                             "it lasted from 2027",
		`{"series":[` + aSeries(`,"last":"9999-12-31T23:00:00-12:00"`) + `]}`:                                         "it lasted from",
		`{"series":[` + aSeries("") + "," + aSeries("") + `]}`:                                                        `two series of reason "R" are the same`,
		`{"series":[` + strings.Repeat(aSeries("")+",", maxKeptSeries) + aSeries("") + `]}`:                           "are too many",
		`{"outcomes":{"written":-1}}`:                                                                                 "-1 occurrences that were written",
		`{"reasons":[{"reason":"\u0007"}]}`:                                                                           "is none that is written",
		`{"flood":{"causes":[0,0,0]}}`:                                                                                "a flood of 0",
		`{"flood":{"causes":[3,-2,0]}}`:                                                                               "a flood of -2",
		`{"summary":{"causes":[1,0,0],"reasons":{"R":-1},"from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:05Z"}}`: `a flood of -1 of reason "R"`,
		`{"summary":{"causes":[1,0,0],"from":"2026-01-02T03:04:05Z","to":"2025-01-02T03:04:05Z"}}`:                    "it lasted from",
	} {
		r := newRecorder(t)
		require.ErrorContains(t, r.Resume([]byte(text)), want)
		require.Empty(t, r.ledger.series)
	}
}

func FuzzResume(f *testing.F) {
	for _, text := range []string{
		`{"series":[` + aSeries("") + `,` + aSeries(`,"ended":true`) + `],"recent":["00000000000000000000000000000001"]}`,
		`{"boot_id":"` + bootID + `","at":9e18,"summed":-9223372036854775808,"pace_spent":-1e300,"total_spent":1e300,"reasons":[{"reason":"R","spent":0.5}]}`,
		`{"boot_id":"` + bootID + `","at":-9223372036854775808,"flood":{"causes":[1],"others":1,"from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:05Z","began":9e18}}`,
		`{"summary":{"causes":[1],"others":1,"from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:05Z"},"outcomes":{"written":3,"strange":1}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newRecorder(t)
		_ = r.Resume(text)
		first, err := r.Keep()()
		require.NoError(t, err)
		next := newRecorder(t)
		require.NoError(t, next.Resume(first), "what was accepted once is accepted again")
		r.SetNode("node-uid")
		for i := range 3 {
			now := r.options.Clock.Now()
			require.NoError(t, r.Record(t.Context(), []pipeline.Record{problemRecord(i, fmt.Sprint("R", i), "m", now)}))
		}
		require.LessOrEqual(t, r.ledger.bytes, r.ledger.maxBytes)
		require.GreaterOrEqual(t, r.ledger.pending, int64(0))
		d, wait := r.next(false)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		if d != nil {
			r.settle(d, again)
		}
		require.NoError(t, r.Drain(t.Context()))
		require.Zero(t, r.ledger.pending)
	})
}
