package nodeevents

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

// world is a ledger, what happens to it, and an API server that keeps Events.
type world struct {
	ledger *ledger
	now    pipeline.Instant
	// told are the occurrences that have been told, each once here.
	told []pipeline.Record
	// counts are those of the Events that the API server has.
	counts map[string]int64
	// summed is how many occurrences summaries tell that were written or refused.
	summed int64
	// tries are when there were requests, summaries when their first ones were.
	tries     []time.Duration
	summaries []time.Duration
	refused   bool // ever
	open      *delivery
}

func (w *world) record(t *rapid.T, record pipeline.Record) {
	o, tells := occurrenceOf(&record)
	require.True(t, tells)
	w.ledger.record(&o, w.now)
}

// tell tells of something new.
func (w *world) tell(t *rapid.T) {
	reason := rapid.SampledFrom([]string{"IOError", "Oops", "OOM"}).Draw(t, "reason")
	text := rapid.SampledFrom([]string{"sda", "sdb", "sdc"}).Draw(t, "message")
	age := time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 59, 61, 200}).Draw(t, "age")) * time.Minute
	at := pipeline.Instant{Wall: w.now.Wall.Add(-age)}
	record := problemRecord(len(w.told), reason, text, at)
	if rapid.Bool().Draw(t, "condition") {
		record = transitionRecord(len(w.told), reason, text, at)
	}
	w.told = append(w.told, record)
	w.record(t, record)
}

// tellAgain tells of what has been told.
func (w *world) tellAgain(t *rapid.T) {
	if len(w.told) > 0 {
		w.record(t, rapid.SampledFrom(w.told).Draw(t, "again"))
	}
}

func (w *world) take(last bool) (wait time.Duration) {
	if w.open != nil {
		return 0
	}
	firstTry := w.ledger.summary == nil
	w.open, wait = w.ledger.next(w.now, last)
	switch {
	case w.open == nil || last:
	case w.open.summary != nil && firstTry:
		w.summaries = append(w.summaries, w.now.Boot)
	default:
		w.tries = append(w.tries, w.now.Boot)
	}
	return wait
}

// answer is what the API server says to the open request. It may have taken an
// Event whose answer is lost; that of an Event which then has to make room is
// lost for good.
func (w *world) answer(t *rapid.T, v verdict, lost bool) {
	if w.open == nil {
		return
	}
	if v == accepted || lost && w.ledger.maxBytes == roomForAll {
		if w.open.series != nil {
			w.counts[w.open.event.Name] = int64(w.open.event.Count)
		}
	}
	if v != again && w.open.summary != nil {
		var n int64
		_, err := fmt.Sscanf(w.open.event.Message, "Occurrences without an Event: %d", &n)
		require.NoError(t, err)
		w.summed += n
	}
	w.refused = w.refused || v == refused && w.open.series != nil
	w.ledger.settle(w.open, v)
	w.open = nil
}

// check checks what always holds.
func (w *world) check(t *rapid.T) {
	l := w.ledger
	all, pending, bytes := l.pending, int64(0), 0
	for _, n := range l.outcomes {
		all += n
	}
	require.EqualValues(t, len(w.told), all, "every occurrence has one outcome or waits for it")
	held := map[*series]bool{}
	for _, s := range l.series {
		held[s] = true
	}
	for _, s := range l.queue {
		require.Equal(t, waiting, s.stage)
		require.Positive(t, s.Pending)
		held[s] = true
	}
	if w.open != nil && w.open.series != nil {
		held[w.open.series] = true
	}
	for s := range held {
		pending += s.Pending
		bytes += s.bytes()
	}
	require.Equal(t, pending, l.pending)
	require.Equal(t, bytes, l.bytes)
	require.LessOrEqual(t, bytes, l.maxBytes)
}

// checkPace checks that no minute has more requests than are allowed.
func (w *world) checkPace(t *rapid.T) {
	allowed := w.ledger.config.Total.Burst + w.ledger.config.Total.PerMinute
	for i := range w.tries {
		if i+allowed < len(w.tries) {
			require.GreaterOrEqual(t, w.tries[i+allowed]-w.tries[i], time.Minute, "more than %d requests in a minute", allowed)
		}
	}
	for i := 1; i < len(w.summaries); i++ {
		require.GreaterOrEqual(t, w.summaries[i]-w.summaries[i-1], time.Minute)
	}
}

// finish lets the sender work until it has nothing left to do.
func (w *world) finish(t *rapid.T, last bool) {
	w.answer(t, again, false)
	for range 100_000 {
		wait := w.take(last)
		switch {
		case w.open != nil:
			w.answer(t, accepted, false)
		case wait == 0:
			return
		default:
			w.now.Boot += wait
			w.now.Wall = w.now.Wall.Add(wait)
		}
	}
	t.Fatal("the sender never comes to an end")
}

// checkEnd checks what holds once all is told.
func (w *world) checkEnd(t *rapid.T) {
	w.check(t)
	require.Zero(t, w.ledger.pending)
	require.Equal(t, w.ledger.outcomes[suppressedByUs], w.summed, "the summaries tell what was suppressed")
	var counted int64
	for _, n := range w.counts {
		counted += n
	}
	told := w.ledger.outcomes[written] + w.ledger.outcomes[folded]
	require.GreaterOrEqual(t, counted, told)
	if w.refused {
		require.LessOrEqual(t, counted, told+w.ledger.outcomes[failed])
		return
	}
	require.Equal(t, counted, told, "what the Events count is what was written or folded")
	for _, s := range w.ledger.series {
		require.Equal(t, s.Count, w.counts[eventName(s)], "the newest count of each series was written")
	}
}

// roomForAll is for more series than there are in a test.
const roomForAll = 1 << 20

func eventName(s *series) string { return "node-1." + s.UID.String() }

func newWorld(t *rapid.T) *world {
	budget := func(label string) Budget {
		return Budget{Burst: rapid.IntRange(1, 6).Draw(t, label), PerMinute: rapid.IntRange(1, 90).Draw(t, label)}
	}
	config := DefaultConfig()
	config.PerReason, config.Total = budget("per reason"), budget("total")
	w := &world{ledger: newLedger(config, "node-1"), now: start, counts: map[string]int64{}}
	w.ledger.maxBytes = rapid.SampledFrom([]int{1000, 3000, roomForAll}).Draw(t, "bytes")
	w.ledger.setNode("node-uid")
	return w
}

func TestEveryOccurrenceHasOneOutcome(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(t)
			verdicts := []verdict{accepted, accepted, again}
			if refuses {
				verdicts = append(verdicts, refused)
			}
			t.Repeat(map[string]func(*rapid.T){
				"tell": w.tell, "tell more": w.tell, "tell again": w.tellAgain,
				"take": func(*rapid.T) { w.take(false) },
				"answer": func(t *rapid.T) {
					w.answer(t, rapid.SampledFrom(verdicts).Draw(t, "verdict"), rapid.Bool().Draw(t, "lost"))
				},
				"send": func(t *rapid.T) {
					w.take(false)
					w.answer(t, accepted, false)
				},
				"pass": func(t *rapid.T) {
					d := time.Duration(rapid.SampledFrom([]int{1, 10, 60, 600, 4000}).Draw(t, "seconds")) * time.Second
					w.now.Boot += d
					w.now.Wall = w.now.Wall.Add(d)
				},
				"": w.check,
			})
			w.finish(t, rapid.Bool().Draw(t, "last"))
			w.checkEnd(t)
			w.checkPace(t)
		})
	}
}

func TestJudge(t *testing.T) {
	kind := func(k apiserver.Kind) error { return fmt.Errorf("write: %w", &apiserver.Error{Kind: k}) }
	for k := apiserver.NoCredentials; k <= apiserver.Refused; k++ {
		want := again
		if k == apiserver.Refused {
			want = refused
		}
		require.Equal(t, want, judge(kind(k), &trial{}, start), k)
	}
	require.Equal(t, accepted, judge(nil, &trial{}, start))
	require.Equal(t, again, judge(errors.New("unheard of"), &trial{}, start))

	var patience trial
	require.Equal(t, again, judge(kind(apiserver.Forbidden), &patience, start))
	require.Equal(t, again, judge(kind(apiserver.Forbidden), &patience, after(time.Minute-1)))
	require.Equal(t, refused, judge(kind(apiserver.Forbidden), &patience, after(time.Minute)))
	require.Equal(t, again, judge(kind(apiserver.Unreachable), &patience, after(time.Minute)))
	require.Equal(t, again, judge(kind(apiserver.Forbidden), &patience, after(2*time.Minute)), "another answer lies between")
}
