package nodeevents

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
)

const bootID = "5d2b3c1e-0000-4000-8000-000000000001"

// lives is a world whose ledger is killed now and then: the next one has what was
// kept last, and is told again what came after.
type lives struct {
	*world

	kept  []byte
	since []pipeline.Record // told since it was kept
	// calm is what would have become of it without any kill.
	calm *world
}

func newLives(t *rapid.T, w *world) *lives {
	calm := &world{ledger: newLedger(w.ledger.config, "node-1"), counts: map[string]int64{}}
	calm.ledger.setNode("node-uid")
	l := &lives{world: w, calm: calm}
	l.keep(t)
	return l
}

func (l *lives) keep(t *rapid.T) {
	var err error
	l.kept, err = l.ledger.snapshot(bootID, l.now.Boot).encode()
	require.NoError(t, err)
	l.since = nil
}

// resumed is a ledger that goes on with what was kept.
func resumed(t require.TestingT, text []byte, config Config, maxBytes int, now pipeline.Instant) *ledger {
	var k kept
	require.NoError(t, json.Unmarshal(text, &k))
	require.NoError(t, k.check())
	next := newLedger(config, "node-1")
	next.maxBytes = maxBytes
	next.resume(&k, now)
	return next
}

func (l *lives) kill(t *rapid.T) {
	if l.open != nil {
		l.answer(t, again, rapid.Bool().Draw(t, "the API server had accepted"))
	}
	l.ledger = resumed(t, l.kept, l.ledger.config, l.ledger.maxBytes, l.now)
	l.ledger.setNode("node-uid")
	for _, record := range l.since {
		l.record(t, record)
	}
}

// both tells of something, new or not, with and without kills.
func (l *lives) both(tell func(*rapid.T)) func(*rapid.T) {
	return func(t *rapid.T) {
		before := len(l.told)
		tell(t)
		if len(l.told) > before {
			record := l.told[before]
			l.since = append(l.since, record)
			l.calm.told = append(l.calm.told, record)
			l.calm.now = l.now
			l.calm.record(t, record)
		}
	}
}

func (l *lives) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"tell": l.both(l.tell), "tell more": l.both(l.tell), "tell again": l.both(l.tellAgain),
		"take": func(*rapid.T) { l.take(false) },
		"answer": func(t *rapid.T) {
			l.answer(t, rapid.SampledFrom([]verdict{accepted, accepted, again}).Draw(t, "verdict"), rapid.Bool().Draw(t, "lost"))
		},
		"send": func(t *rapid.T) {
			l.take(false)
			l.answer(t, accepted, false)
		},
		"pass": func(t *rapid.T) {
			d := time.Duration(rapid.SampledFrom([]int{1, 10, 60, 600, 4000}).Draw(t, "seconds")) * time.Second
			l.now.Boot += d
			l.now.Wall = l.now.Wall.Add(d)
		},
		"keep": l.keep,
		"kill": l.kill,
		"":     l.check,
	}
}

// Whatever is killed when: in the end each series has its name and its exact count.
func TestKillsChangeNothing(t *testing.T) {
	config := DefaultConfig()
	config.PerReason, config.Total = Budget{maxTokens, maxTokens}, Budget{maxTokens, maxTokens}
	config.MaxAge = 10_000 * time.Hour
	rapid.Check(t, func(t *rapid.T) {
		w := &world{ledger: newLedger(config, "node-1"), now: start, counts: map[string]int64{}}
		w.ledger.maxBytes = roomForAll
		w.ledger.setNode("node-uid")
		l := newLives(t, w)
		t.Repeat(l.actions())
		l.finish(t, false)
		l.checkEnd(t)
		l.calm.now = l.now
		l.calm.finish(t, false)
		l.calm.checkEnd(t)
		require.Equal(t, l.calm.counts, l.counts)
		for key, calm := range l.calm.ledger.series {
			got := *l.ledger.series[key]
			got.used, got.Paid = calm.used, calm.Paid
			require.True(t, calm.First.Equal(got.First) && calm.Last.Equal(got.Last))
			got.First, got.Last = calm.First, calm.Last
			require.Equal(t, *calm, got)
		}
		require.Len(t, l.ledger.series, len(l.calm.ledger.series))
	})
}

// With budgets, kills may change which occurrences are told and which summed up, but
// each has one outcome, and whatever is said to be told is.
func TestEveryOccurrenceHasOneOutcomeOverKills(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLives(t, newWorld(t))
		t.Repeat(l.actions())
		l.finish(t, false)
		l.check(t)
		require.Zero(t, l.ledger.pending)
		var counted int64
		for _, n := range l.counts {
			counted += n
		}
		require.GreaterOrEqual(t, counted, l.ledger.outcomes[written]+l.ledger.outcomes[folded])
		require.GreaterOrEqual(t, l.summed, l.ledger.outcomes[suppressedByUs])
	})
}

// What is kept and resumed at once is the same: names, counts, turns and tokens.
func TestKeptIsResumedWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLives(t, newWorld(t))
		actions := l.actions()
		delete(actions, "kill")
		t.Repeat(actions)
		before := l.ledger.snapshot(bootID, l.now.Boot)
		text, err := before.encode()
		require.NoError(t, err)
		next := resumed(t, text, l.ledger.config, l.ledger.maxBytes, l.now)
		require.Equal(t, l.ledger.bytes, next.bytes)
		after := next.snapshot(bootID, l.now.Boot)
		again, err := after.encode()
		require.NoError(t, err)
		require.InDelta(t, before.Pace, after.Pace, 1e-6)
		require.InDelta(t, before.Total, after.Total, 1e-6)
		require.InDelta(t, before.Others, after.Others, 1e-6)
		require.Len(t, after.Reasons, len(before.Reasons))
		for i := range before.Reasons {
			require.InDelta(t, before.Reasons[i].Spent, after.Reasons[i].Spent, 1e-6)
		}
		require.Equal(t, withoutTokens(t, text), withoutTokens(t, again))
	})
}

func withoutTokens(t *rapid.T, text []byte) map[string]any {
	var all map[string]any
	require.NoError(t, json.Unmarshal(text, &all))
	for _, tokens := range []string{"pace_spent", "total_spent", "others_spent", "reasons"} {
		delete(all, tokens)
	}
	return all
}
