package nodeevents

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func budgetOf(perReason, total Budget) *budget {
	return newBudget(Config{PerReason: perReason, Total: total})
}

func takes(b *budget, boot time.Duration, c claim) (n int) {
	for b.take(boot, c) {
		n++
	}
	return n
}

func TestTakesBothTokensOrNone(t *testing.T) {
	b := budgetOf(Budget{2, 1}, Budget{3, 1})
	require.Equal(t, 2, takes(b, 0, claim{reason: "A"}))
	require.Equal(t, 1, takes(b, 0, claim{reason: "B"}), "the total has one left")
	require.Equal(t, 0, takes(b, 0, claim{reason: "C"}))
	require.InDelta(t, 2, b.bucket(0, "C").TokensAt(onClock(0)), 0, "and C has lost none")
	require.Equal(t, 1, takes(b, time.Minute, claim{reason: "C"}))
}

func TestFloors(t *testing.T) {
	for burst, want := range map[int][3]int{1: {1, 1, 1}, 2: {1, 2, 2}, 4: {2, 3, 4}, 100: {50, 75, 100}} {
		for i, c := range []claim{{reason: "A", repeat: true}, {reason: "A"}, {reason: "A", condition: true}} {
			require.Equal(t, want[i], takes(budgetOf(Budget{1000, 1}, Budget{burst, 1}), 0, c), "burst %d, %+v", burst, c)
		}
	}
	require.Equal(t, 3, takes(budgetOf(Budget{5, 1}, Budget{1000, 1}), 0, claim{reason: "A", repeat: true}))
	require.Equal(t, 3, takes(budgetOf(Budget{5, 1}, Budget{1000, 1}), 0, claim{reason: "A", repeat: true, condition: true}))
}

// When the wait is over and nobody took a token, the next wait is none or shorter
// than for a whole one; in the end there is a token.
func TestWaitEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.IntRange(1, 50)
		b := budgetOf(Budget{tokens.Draw(t, "burst"), tokens.Draw(t, "per minute")}, Budget{tokens.Draw(t, "burst"), tokens.Draw(t, "per minute")})
		boot := time.Duration(rapid.Int64Range(0, 1e18).Draw(t, "boot"))
		c := claim{reason: "A", condition: rapid.Bool().Draw(t, "condition"), repeat: rapid.Bool().Draw(t, "repeat")}
		for range 60 {
			for range 4 {
				wait := b.wait(boot, c)
				if wait == 0 {
					break
				}
				require.False(t, b.take(boot+wait-2*time.Millisecond, c), "not before")
				boot += wait
			}
			require.True(t, b.take(boot, c))
		}
	})
}

func TestReasonsAreBounded(t *testing.T) {
	b := budgetOf(Budget{1, 1}, Budget{100_000, 1})
	for i := range maxReasons {
		require.True(t, b.take(0, claim{reason: fmt.Sprintf("R%d", i)}))
	}
	require.True(t, b.take(0, claim{reason: "beyond 1"}), "they share one")
	require.False(t, b.take(0, claim{reason: "beyond 2"}))
	require.False(t, b.take(0, claim{reason: "R0"}), "those before keep theirs")
	require.Len(t, b.reasons, maxReasons)

	require.True(t, b.take(time.Minute, claim{reason: "R0"}))
	require.True(t, b.take(time.Minute, claim{reason: "beyond 2"}), "a full bucket has made room")
	require.NotContains(t, b.reasons, "R1", "the least recently used")
	require.Len(t, b.reasons, maxReasons)
}
