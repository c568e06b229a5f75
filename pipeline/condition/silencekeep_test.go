package condition_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// A silence that is over stays over in the next boot, also if the wall clock has
// been set back meanwhile.
func TestASilenceThatIsOverDoesNotComeBack(t *testing.T) {
	for name, end := range map[string]func(b *bench){
		"run out": func(b *bench) { b.clock.Advance(2 * time.Hour) },
		"ended by the operator": func(b *bench) {
			_, err := b.Unsilence("slow")
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			_, err := b.Silence("slow", time.Hour, "request")
			require.NoError(t, err)
			end(b)
			text := b.keep(t)
			b.clock.StepWall(-5 * time.Hour)
			next := b.again(t, text, config(), inBoot("another"))
			next.publish(t)
			require.Empty(t, next.Silences())
			summary, err := condition.Summarize(text)
			require.NoError(t, err)
			require.Empty(t, summary.Silences)
		})
	}
}
