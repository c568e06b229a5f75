package outbox_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	info = log.SeverityInfo
	warn = log.SeverityWarn
	fail = log.SeverityError

	payload = 904  // with the outbox's own 96 bytes an entry weighs
	weight  = 1000 // this
)

func newOutbox(t *testing.T, maxBytes int) *outbox.Outbox[string] {
	t.Helper()
	box, err := outbox.New[string](pipeline.ID{Type: "test"}, noop.NewMeterProvider().Meter(""), maxBytes)
	require.NoError(t, err)
	return box
}

func put(t *testing.T, box *outbox.Outbox[string], severity log.Severity, names ...string) (dropped int) {
	t.Helper()
	for _, name := range names {
		n, err := box.Put(outbox.Entry[string]{Item: name, Severity: severity, Size: payload})
		require.NoError(t, err)
		dropped += n
	}
	return dropped
}

// drain takes all that is in the box.
func drain(t *testing.T, box *outbox.Outbox[string]) string {
	t.Helper()
	var names []string
	for n, _ := box.Len(); n > 0; n, _ = box.Len() {
		batch, err := box.Next(t.Context(), weight)
		require.NoError(t, err)
		names = append(names, items(batch)...)
		batch.Done()
	}
	return strings.Join(names, " ")
}

func items(batch *outbox.Batch[string]) (names []string) {
	for _, entry := range batch.Entries {
		names = append(names, entry.Item)
	}
	return names
}

func TestDropsTheOldestOfTheLowestSeverity(t *testing.T) {
	type step struct {
		severity log.Severity
		names    string
	}
	for name, tt := range map[string]struct {
		put     []step
		want    string
		dropped int
	}{
		"room for all, in order of arrival": {[]step{{fail, "e1"}, {info, "i1"}, {warn, "w1"}}, "e1 i1 w1", 0},
		"oldest of one severity":            {[]step{{warn, "w1 w2 w3 w4"}}, "w2 w3 w4", 1},
		"lowest before older":               {[]step{{fail, "e1"}, {warn, "w1"}, {info, "i1"}, {fail, "e2"}}, "e1 w1 e2", 1},
		"then the next lowest":              {[]step{{info, "i1"}, {warn, "w1 w2"}, {fail, "e1 e2"}}, "w2 e1 e2", 2},
		"the new one, where it is lowest":   {[]step{{fail, "e1 e2 e3"}, {info, "i1"}}, "e1 e2 e3", 1},
		"undefined is lowest of all":        {[]step{{log.SeverityUndefined, "u1"}, {log.SeverityTrace, "t1 t2 t3"}}, "t1 t2 t3", 1},
		"out of range counts as the end":    {[]step{{99, "x1"}, {-7, "y1"}, {fail, "e1 e2"}}, "x1 e1 e2", 1},
	} {
		t.Run(name, func(t *testing.T) {
			box := newOutbox(t, 3*weight)
			dropped := 0
			for _, step := range tt.put {
				dropped += put(t, box, step.severity, strings.Fields(step.names)...)
			}
			require.Equal(t, tt.dropped, dropped)
			require.Equal(t, tt.want, drain(t, box))
		})
	}
}

func TestRecordLargerThanTheOutbox(t *testing.T) {
	box := newOutbox(t, 3*weight)
	put(t, box, info, "i1")
	dropped, err := box.Put(outbox.Entry[string]{Item: "huge", Severity: fail, Size: 3 * weight})
	require.NoError(t, err)
	require.Equal(t, 1, dropped)
	require.Equal(t, "i1", drain(t, box), "a record that can never fit must not push out others")
}

func TestWhatIsTakenIsOutOfReachOfOverflow(t *testing.T) {
	box := newOutbox(t, 3*weight)
	put(t, box, info, "i1", "i2", "i3")
	batch, err := box.Next(t.Context(), 2*payload)
	require.NoError(t, err)
	require.Equal(t, []string{"i1", "i2"}, items(batch))

	require.Equal(t, 2, put(t, box, fail, "e1", "e2"), "there is room for one beside the batch")
	_, bytes := box.Len()
	require.Equal(t, 3*weight, bytes)

	batch.Return()
	require.Equal(t, "i1 i2 e2", drain(t, box))
}

func TestBatchKeepsItsBound(t *testing.T) {
	box := newOutbox(t, 10*weight)
	put(t, box, info, "i1", "i2", "i3")
	batch, err := box.Next(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{"i1"}, items(batch), "one is always taken")
	batch.Done()
	batch, err = box.Next(t.Context(), 10*payload)
	require.NoError(t, err)
	require.Equal(t, []string{"i2", "i3"}, items(batch))
	batch.Done()
}

func TestReturnPutsBackInOrder(t *testing.T) {
	box := newOutbox(t, 100*weight)
	put(t, box, info, "i1")
	put(t, box, fail, "e1")
	put(t, box, info, "i2", "i3")
	batch, err := box.Next(t.Context(), 3*payload)
	require.NoError(t, err)
	put(t, box, warn, "w1")
	batch.Split(1).Done()
	require.Equal(t, []string{"e1", "i2"}, items(batch))
	batch.Return()
	require.Equal(t, "e1 i2 i3 w1", drain(t, box))
}

func TestPutTakesAllOrNothing(t *testing.T) {
	box := newOutbox(t, 10*weight)
	put(t, box, info, "i1")
	box.Close()
	_, err := box.Put(outbox.Entry[string]{Item: "i2"}, outbox.Entry[string]{Item: "i3"})
	require.ErrorIs(t, err, outbox.ErrClosed)
	require.Equal(t, "i1", drain(t, box), "what was accepted can still be taken")
	_, err = box.Next(t.Context(), weight)
	require.ErrorIs(t, err, outbox.ErrClosed)
}

func TestNextWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(t *testing.T, box *outbox.Outbox[string], cancel func())
		want error
	}{
		"for a record":      {func(t *testing.T, box *outbox.Outbox[string], _ func()) { t.Helper(); put(t, box, info, "i1") }, nil},
		"for the close":     {func(t *testing.T, box *outbox.Outbox[string], _ func()) { t.Helper(); box.Close() }, outbox.ErrClosed},
		"as long as it may": {func(t *testing.T, _ *outbox.Outbox[string], cancel func()) { t.Helper(); cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := newOutbox(t, 10*weight)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var got error
				returned := false
				go func() {
					_, got = box.Next(ctx, weight)
					returned = true
				}()
				synctest.Wait()
				require.False(t, returned)
				tt.end(t, box, cancel)
				synctest.Wait()
				require.True(t, returned)
				require.ErrorIs(t, got, tt.want)
			})
		})
	}
}

func TestWaitForRoom(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(t *testing.T, box *outbox.Outbox[string], taken *outbox.Batch[string], cancel func())
		want error
	}{
		"a delivery":  {func(_ *testing.T, _ *outbox.Outbox[string], taken *outbox.Batch[string], _ func()) { taken.Done() }, nil},
		"a drop":      {func(_ *testing.T, box *outbox.Outbox[string], _ *outbox.Batch[string], _ func()) { box.Discard("x") }, nil},
		"a close":     {func(_ *testing.T, box *outbox.Outbox[string], _ *outbox.Batch[string], _ func()) { box.Close() }, nil},
		"the context": {func(_ *testing.T, _ *outbox.Outbox[string], _ *outbox.Batch[string], cancel func()) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := newOutbox(t, 3*weight)
				put(t, box, info, "i1", "i2", "i3")
				taken, err := box.Next(t.Context(), 2*payload)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				returned := make(chan error, 2)
				for range 2 { // both see the room
					go func() { returned <- box.WaitForRoom(ctx, outbox.Entry[string]{Size: payload}) }()
				}
				synctest.Wait()
				require.Empty(t, returned)
				tt.end(t, box, taken, cancel)
				synctest.Wait()
				require.Len(t, returned, 2)
				require.ErrorIs(t, <-returned, tt.want)
				require.ErrorIs(t, <-returned, tt.want)
			})
		})
	}
}

func TestWaitForRoomOfWhatNeverFits(t *testing.T) {
	box := newOutbox(t, 3*weight)
	require.NoError(t, box.WaitForRoom(t.Context(), outbox.Entry[string]{Size: 5 * weight}), "an empty box is all the room there is")
}

func TestSeveralTakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newOutbox(t, 1000*weight)
		var mu sync.Mutex
		seen := map[string]int{}
		var takers sync.WaitGroup
		for range 3 {
			takers.Go(func() {
				for {
					batch, err := box.Next(t.Context(), payload)
					if err != nil {
						return
					}
					mu.Lock()
					seen[batch.Entries[0].Item]++
					mu.Unlock()
					batch.Done()
				}
			})
		}
		for i := range 100 {
			put(t, box, info, strconv.Itoa(i))
		}
		box.Close()
		takers.Wait()
		require.Len(t, seen, 100)
		for name, n := range seen {
			require.Equal(t, 1, n, name)
		}
	})
}

func TestDiscard(t *testing.T) {
	box := newOutbox(t, 10*weight)
	put(t, box, info, "i1", "i2")
	put(t, box, fail, "e1")
	require.Equal(t, 3, box.Discard(outbox.ReasonShutdown))
	records, bytes := box.Len()
	require.Zero(t, records)
	require.Zero(t, bytes)
	require.Zero(t, box.Discard(outbox.ReasonShutdown))
}

// model is an outbox in the plainest words.
type model struct {
	queued, taken []modelEntry
	next          int
}

type modelEntry struct {
	number, size int
	severity     log.Severity
}

func (m *model) bytes() (n int) {
	for _, entry := range append(append([]modelEntry(nil), m.queued...), m.taken...) {
		n += entry.size + weight - payload
	}
	return n
}

func (m *model) put(entry modelEntry, maxBytes int) {
	if entry.size+weight-payload > maxBytes {
		return
	}
	m.queued = append(m.queued, entry)
	for m.bytes() > maxBytes {
		lowest := 0
		for i, e := range m.queued {
			if e.severity < m.queued[lowest].severity {
				lowest = i
			}
		}
		m.queued = append(m.queued[:lowest:lowest], m.queued[lowest+1:]...)
	}
}

func TestAgainstTheModel(t *testing.T) {
	const maxBytes = 5 * weight
	rapid.Check(t, func(rt *rapid.T) {
		box, err := outbox.New[int](pipeline.ID{Type: "test"}, noop.NewMeterProvider().Meter(""), maxBytes)
		require.NoError(rt, err)
		var m model
		var batch *outbox.Batch[int]
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				m.next++
				entry := modelEntry{m.next, rapid.IntRange(0, 2*payload).Draw(rt, "size"), log.Severity(rapid.IntRange(0, 24).Draw(rt, "severity"))}
				_, err := box.Put(outbox.Entry[int]{Item: entry.number, Size: entry.size, Severity: entry.severity})
				require.NoError(rt, err)
				m.put(entry, maxBytes)
			},
			"take": func(rt *rapid.T) {
				if batch != nil || len(m.queued) == 0 {
					rt.Skip()
				}
				var err error
				batch, err = box.Next(context.Background(), 2*payload)
				require.NoError(rt, err)
				n := len(batch.Entries)
				m.taken, m.queued = m.queued[:n:n], m.queued[n:]
				for i, entry := range batch.Entries {
					require.Equal(rt, m.taken[i].number, entry.Item)
				}
			},
			"end": func(rt *rapid.T) {
				if batch == nil {
					rt.Skip()
				}
				whole := rapid.IntRange(0, len(batch.Entries)).Draw(rt, "whole")
				batch.Split(whole).Done()
				batch.Return()
				m.queued = append(m.taken[whole:len(m.taken):len(m.taken)], m.queued...)
				m.taken, batch = nil, nil
			},
			"": func(rt *rapid.T) {
				records, bytes := box.Len()
				require.Equal(rt, len(m.queued)+len(m.taken), records)
				require.Equal(rt, m.bytes(), bytes)
				require.LessOrEqual(rt, bytes, maxBytes)
			},
		})
	})
}
