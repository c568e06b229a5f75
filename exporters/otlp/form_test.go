package otlp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

func TestTheFormOfWhatIsKeptIsFrozen(t *testing.T) { statetest.RequireForm(t, kept{}) }

func TestBackoff(t *testing.T) {
	var b backoff
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		got := b.next(0)
		require.GreaterOrEqual(t, got, want*time.Second)
		require.LessOrEqual(t, got, want*time.Second*5/4+1)
	}
	for asked, want := range map[time.Duration]time.Duration{time.Millisecond: time.Millisecond, time.Minute: time.Minute, 24 * time.Hour: 5 * time.Minute} {
		got := b.next(asked)
		require.GreaterOrEqual(t, got, want)
		require.LessOrEqual(t, got, want*5/4+1)
	}
	b.reset()
	require.Less(t, b.next(0), 2*time.Second)
}
