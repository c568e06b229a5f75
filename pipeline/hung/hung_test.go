package hung_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/hung"
)

// told keeps what a watch tells.
type told struct {
	mu   sync.Mutex
	what []string
}

func (t *told) tell(asked string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.what = append(t.what, asked)
}

func (t *told) all() []string {
	synctest.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.what
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := &told{}
		watch := hung.NewWatch(10*time.Second, got.tell)
		for range 100 { // each in time, together not
			watch.Ask("quick")
			time.Sleep(time.Second)
			require.False(t, watch.Answered())
		}
		time.Sleep(time.Hour)
		require.Empty(t, got.all(), "nothing is asked")

		watch.Ask("slow")
		time.Sleep(10*time.Second - time.Nanosecond)
		require.Empty(t, got.all())
		time.Sleep(time.Nanosecond)
		require.Equal(t, []string{"slow"}, got.all())
		time.Sleep(time.Hour)
		require.Equal(t, []string{"slow"}, got.all(), "once")
		require.True(t, watch.Answered())

		watch.Ask("quick again")
		time.Sleep(9 * time.Second)
		require.False(t, watch.Answered())
		watch.Ask("slow again")
		time.Sleep(time.Minute)
		require.True(t, watch.Answered())
		require.Equal(t, []string{"slow", "slow again"}, got.all())

		watch.Tell()
		require.Len(t, got.all(), 2, "nothing is asked")
		watch.Ask("urgent")
		watch.Tell()
		time.Sleep(time.Minute)
		require.Equal(t, "urgent", got.all()[2])
		require.Len(t, got.all(), 3, "once")
		require.True(t, watch.Answered())
	})
}

// What is told after the answer is not undone by it.
func TestAnswerWaitsForWhoTells(t *testing.T) {
	telling, release, told := make(chan struct{}), make(chan struct{}), false
	watch := hung.NewWatch(time.Millisecond, func(string) {
		close(telling)
		<-release
		told = true
	})
	watch.Ask("slow")
	<-telling
	go close(release)
	require.True(t, watch.Answered())
	require.True(t, told)
}

func BenchmarkQuestion(b *testing.B) {
	watch := hung.NewWatch(10*time.Second, func(string) {})
	b.ReportAllocs()
	for b.Loop() {
		watch.Ask("path")
		watch.Answered()
	}
}
