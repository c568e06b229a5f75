package condition

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// flood is a machine with many active causes and a line that repeats one.
func flood(tb testing.TB, causes int) (*State, *Book, *Match, Now) {
	tb.Helper()
	book, err := NewBook(&Config{
		Types: []Type{{Name: "Disk"}},
		Rules: []Rule{{ID: "io", Condition: "Disk", Reason: "IOError", HasInstances: true, Clear: Clear{By: ClearByRecovery}}},
	})
	require.NoError(tb, err)
	now := Now{Instant: pipeline.Instant{Wall: wall(1000), Boot: seconds(1000)}, Current: pipeline.Boot{ID: bootA, Start: bootStart}}
	s := NewState("node-1", book, now)
	match := &Match{Occurrence{
		Problem:  &pipeline.Problem{Rule: "io", Reason: "IOError", Message: "I/O error", State: pipeline.StateProblem, Count: 1},
		Order:    pipeline.Order{Boot: pipeline.BootTime{ID: bootA, At: now.Boot}, Place: pipeline.Place{Scope: bootA, Source: "kmsg"}},
		Time:     now.Wall,
		Receiver: "kmsg",
	}}
	for i := range causes {
		match.Problem.Instance = fmt.Sprint("sd", i)
		match.Order.Place.Position++
		s.Step(book, match, now)
	}
	return s, book, match, now
}

func again(s *State, book *Book, match *Match, now Now) Outcome {
	match.Order.Place.Position++
	match.Order.Boot.At += time.Microsecond
	return s.Step(book, match, now)
}

func BenchmarkRepeatOfAnActiveCause(b *testing.B) {
	s, book, match, now := flood(b, 200)
	b.ReportAllocs()
	for b.Loop() {
		again(s, book, match, now)
	}
}

func BenchmarkActivation(b *testing.B) {
	s, book, match, now := flood(b, 200)
	recovery := &Recovery{match.Occurrence}
	b.ReportAllocs()
	for b.Loop() {
		recovery.Order = match.Order
		s.Step(book, recovery, now)
		again(s, book, match, now)
	}
}

// BenchmarkKeep1000Causes is what a write of the state does before the disk: hold is
// the part during which nothing is judged.
func BenchmarkKeep1000Causes(b *testing.B) {
	s, _, _, _ := flood(b, 1_000)
	store := &Store{state: s}
	var hold time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		encode := store.Keep(nil)
		hold += time.Since(begun)
		text, err := encode()
		require.NoError(b, err)
		b.SetBytes(int64(len(text)))
	}
	b.ReportMetric(float64(hold)/float64(b.N), "hold-ns/op")
}

func TestARepeatAllocatesNothing(t *testing.T) {
	s, book, match, now := flood(t, 200)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		require.Empty(t, again(s, book, match, now).Changes)
	}))
}
