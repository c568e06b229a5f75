package otlp_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
)

// kept is what an exporter keeps; nil: nothing.
func kept(t *testing.T, exporter keeper) []byte {
	t.Helper()
	encode := exporter.Keep()
	if encode == nil {
		return nil
	}
	text, err := encode()
	require.NoError(t, err)
	return text
}

func (l *lab) resume(t *testing.T, text []byte) keeper {
	t.Helper()
	next := l.make(t)
	if text != nil {
		require.NoError(t, next.Resume(text))
	}
	return next
}

// durable lets what is kept outlive the exporter.
func (l *lab) durable() { l.settings.Keeping.IsDurable = func() bool { return true } }

func TestWhatIsNotAcceptedOutlivesTheAgent(t *testing.T) {
	l := newLab(t)
	l.durable()
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if holds(r, "two") {
			return refusing(codes.Unavailable)
		}
		return otlptest.Reply{}
	})
	exporter := l.start(t)
	consume(t, exporter, "one")
	l.WaitForBodies(t, 1)
	consume(t, exporter, "two", "three")
	began := time.Now()
	shutdown(t, exporter)
	require.Less(t, time.Since(began), 10*time.Second, "one more try is enough")
	require.Contains(t, l.log.String(), "are kept for the next start")
	l.Answer(nil)
	next := l.resume(t, kept(t, exporter))
	require.NoError(t, next.Start(t.Context()))
	shutdown(t, next)
	require.Equal(t, []string{"one", "two", "three"}, l.Bodies())
	require.Nil(t, next.Keep())
	require.EqualValues(t, 3, l.sums(t)["exporter.sent_records"])
	require.Zero(t, l.sums(t)["exporter.dropped_records shutdown"])
}

func TestWithoutAStateTheRestIsCounted(t *testing.T) {
	l := newLab(t)
	l.Answer(func(*otlptest.Request) otlptest.Reply { return soon(t, codes.Unavailable) })
	exporter := l.start(t)
	consume(t, exporter, "one", "two")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	require.ErrorContains(t, exporter.Shutdown(ctx), "2 records could not be sent to the Collector")
	require.EqualValues(t, 2, l.sums(t)["exporter.dropped_records shutdown"])
	require.Greater(t, len(l.Requests()), 3, "it is tried to the end")
}

func TestAReloadWaitsForTheRequestUnderWay(t *testing.T) {
	l := newLab(t)
	l.patience = 10 * time.Second
	release := make(chan struct{})
	l.Answer(func(*otlptest.Request) otlptest.Reply { return otlptest.Reply{Hold: release} })
	exporter := l.start(t)
	consume(t, exporter, "one")
	l.WaitFor(t, "the request", func(all []*otlptest.Request) bool { return len(all) == 1 })
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, exporter.Shutdown(ended))
	require.Nil(t, kept(t, exporter), "it need not be sent again")
}

func TestAReloadDoesNotWaitForACollectorThatHangs(t *testing.T) {
	l := newLab(t)
	release := make(chan struct{})
	defer close(release)
	l.Answer(func(*otlptest.Request) otlptest.Reply { return otlptest.Reply{Hold: release} })
	exporter := l.start(t)
	consume(t, exporter, "one")
	l.WaitFor(t, "the request", func(all []*otlptest.Request) bool { return len(all) == 1 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	require.NoError(t, exporter.Shutdown(ended))
	require.Less(t, time.Since(began), 5*time.Second)
	l.Answer(nil)
	next := l.resume(t, kept(t, exporter))
	require.NoError(t, next.Start(t.Context()))
	shutdown(t, next)
	require.Equal(t, []string{"one"}, l.Bodies())
}

func TestWhatIsKeptMayBeSpoilt(t *testing.T) {
	l := newLab(t)
	exporter := l.make(t)
	require.Error(t, exporter.Resume([]byte("{")))
	text, err := json.Marshal(map[string]any{"records": []map[string]any{
		{"record": []byte("\xff\xff\xff")}, {"record": []byte{}}, {}, {"record": []byte{}, "severity": 99},
	}})
	require.NoError(t, err)
	require.NoError(t, exporter.Resume(text))
	require.EqualValues(t, 4, l.sums(t)["exporter.dropped_records unreadable"])
	consume(t, exporter, "one")
	require.NoError(t, exporter.Start(t.Context()))
	shutdown(t, exporter)
	require.Equal(t, []string{"one"}, l.Bodies())
}

func FuzzResume(f *testing.F) {
	f.Add([]byte(`{"records":[{"record":"CgA=","severity":9}]}`))
	f.Add([]byte(`{"records":[{"severity":-9999999999}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := newLab(t)
		exporter := l.make(t)
		if exporter.Resume(text) == nil {
			_ = kept(t, exporter)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, exporter.Shutdown(ended))
	})
}

// Agents that are killed at any moment, before a Collector that loses answers, refuses
// and hangs: grouped by uid the set is exact, and copies are equal.
func TestKilledAtAnyMomentNothingIsMissing(t *testing.T) {
	l := newLab(t)
	l.durable()
	random := rand.New(rand.NewPCG(1, 2))
	l.Answer(func(*otlptest.Request) otlptest.Reply {
		if rand.IntN(3) == 0 { // requests of a life that was killed may be under way beside the next one's
			return soon(t, codes.Unavailable)
		}
		return otlptest.Reply{}
	})
	var state []byte
	var want []string
	for life := range 50 {
		exporter := l.resume(t, state)
		require.NoError(t, exporter.Start(t.Context()))
		for n := range 3 {
			text := numbered(3*life+n, 3*life+n+1)
			consume(t, exporter, text...)
			want = append(want, text...)
		}
		time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond) // any moment
		state = kept(t, exporter)                                    // written, and then killed
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = exporter.Shutdown(ended)
	}
	l.Answer(nil)
	last := l.resume(t, state)
	require.NoError(t, last.Start(t.Context()))
	shutdown(t, last)
	told := map[string]bool{}
	for _, body := range l.Bodies() {
		told[body] = true
	}
	for _, text := range want {
		require.True(t, told[text], text)
	}
	require.Len(t, told, len(want))
}

var _ pipeline.Keeper = keeper(nil)
