package outbox_test

import (
	"context"
	"encoding/json"
	"math"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

func TestSnapshotHasAllInOrder(t *testing.T) {
	box := newOutbox(t, 100*weight)
	put(t, box, info, "i1")
	put(t, box, fail, "e1")
	put(t, box, info, "i2", "i3")
	batch, err := box.Next(t.Context(), 3*payload)
	require.NoError(t, err)
	put(t, box, warn, "w1")
	batch.Split(1).Done()
	require.Equal(t, "e1 i2 i3 w1", names(box.Snapshot()), "what is taken is still there")
	box.Close()
	kept, err := json.Marshal(box.Snapshot())
	require.NoError(t, err)
	batch.Done()
	require.Equal(t, "i3 w1", names(box.Snapshot()))

	var entries []outbox.Entry[string]
	require.NoError(t, json.Unmarshal(kept, &entries))
	next := newOutbox(t, 100*weight)
	require.Zero(t, next.Refill(entries))
	put(t, next, fail, "e2")
	_, bytes := next.Len()
	require.Equal(t, 5*weight, bytes)
	require.Equal(t, "e1 i2 i3 w1 e2", drain(t, next))
}

func names(entries []outbox.Entry[string]) (all string) {
	for i, entry := range entries {
		if i > 0 {
			all += " "
		}
		all += entry.Item
	}
	return all
}

func TestRefillIsBounded(t *testing.T) {
	box := newOutbox(t, 3*weight)
	entry := func(name string, size int) outbox.Entry[string] {
		return outbox.Entry[string]{Item: name, Severity: info, Size: size}
	}
	require.Equal(t, 3, box.Refill([]outbox.Entry[string]{
		entry("huge", math.MaxInt), entry("i1", payload), entry("negative", math.MinInt), entry("i2", payload), entry("i3", payload), entry("i4", payload),
	}))
	_, bytes := box.Len()
	require.LessOrEqual(t, bytes, 3*weight)
	require.Positive(t, bytes)
	require.Equal(t, "i2 i3 i4", drain(t, box))
}

// counted is an outbox whose changes are counted.
func counted(t *testing.T) (box *outbox.Outbox[string], changes *int) {
	t.Helper()
	box, changes = newOutbox(t, 10*weight), new(int)
	box.OnChange(func() { *changes++ })
	return box, changes
}

func takeAll(t *testing.T, box *outbox.Outbox[string]) *outbox.Batch[string] {
	t.Helper()
	batch, err := box.Next(t.Context(), 10*weight)
	require.NoError(t, err)
	return batch
}

func TestChangeIsADifferenceFromWhatIsKept(t *testing.T) {
	box, changes := counted(t)
	for range 10 {
		*changes = 0
		put(t, box, info, "i1")
		require.Equal(t, 1, *changes)
		takeAll(t, box).Done()
		require.Equal(t, 1, *changes, "it is as it was kept: empty")
		require.Empty(t, box.Snapshot())
	}
	*changes = 0
	put(t, box, info, "i1")
	require.Len(t, box.Snapshot(), 1)
	batch := takeAll(t, box)
	batch.Return()
	require.Equal(t, 1, *changes, "nothing was delivered")
	takeAll(t, box).Drop("closed")
	require.Equal(t, 2, *changes, "what is kept is no more")
	put(t, box, info, "i2")
	require.Equal(t, 3, *changes)
	takeAll(t, box).Done()
	require.Equal(t, 4, *changes, "what is kept still differs")
	require.Empty(t, box.Snapshot())
	put(t, box, info, "i3", "i4")
	require.Len(t, box.Snapshot(), 2)
	*changes = 0
	put(t, box, fail, "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9")
	require.Equal(t, 9, *changes, "overflow tells as well")
	box.Discard(outbox.ReasonShutdown)
	require.Equal(t, 10, *changes)
}

func TestRefillIsWhatIsKept(t *testing.T) {
	box, changes := counted(t)
	box.Refill([]outbox.Entry[string]{{Item: "i1", Size: payload}, {Item: "i2", Size: payload}})
	require.Zero(t, *changes)
	batch := takeAll(t, box)
	batch.Split(1).Done()
	require.Equal(t, 1, *changes)
	batch.Return()

	put(t, box, info, "i3")
	*changes = 0
	small := newOutbox(t, weight)
	small.OnChange(func() { *changes++ })
	require.Equal(t, 1, small.Refill(box.Snapshot()))
	require.Equal(t, 1, *changes, "something had to go")
}

// An exporter and its successor have one id, and so one series in each gauge.
func TestGaugesOverAHandOver(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	id := pipeline.ID{Type: "kubernetes", Name: "2"}
	box, err := outbox.New[string](id, meter, 10*weight)
	require.NoError(t, err)
	put(t, box, info, "i1", "i2", "i3")
	batch, err := box.Next(t.Context(), payload)
	require.NoError(t, err)
	gauges := func() (length, size int64) {
		all := figures(t, reader)
		return all["otelnpd.exporter.queue_length"], all["otelnpd.exporter.queue_size"]
	}
	for generation := range 3 {
		require.Equal(t, 3, box.Retire())
		require.Equal(t, 3, box.Retire(), "twice is once")
		length, size := gauges()
		require.Zero(t, length)
		require.Zero(t, size)
		old := box
		box, err = outbox.New[string](id, meter, 10*weight)
		require.NoError(t, err)
		require.Zero(t, box.Refill(old.Snapshot()))
		batch.Done() // its write came through in the end, of which the new one knows nothing
		length, size = gauges()
		require.EqualValues(t, 3, length)
		require.EqualValues(t, 3*weight, size)
		require.EqualValues(t, generation+1, figures(t, reader)["otelnpd.exporter.sent_records"])
		batch, err = box.Next(t.Context(), payload)
		require.NoError(t, err)
	}
}

// life is an outbox that is killed now and then, and the source behind it.
type life struct {
	box       *outbox.Outbox[int]
	batch     *outbox.Batch[int]
	kept      []byte
	next      int
	since     []int // put since it was kept
	delivered map[int]bool
}

func newLife(t *rapid.T) *life {
	l := &life{kept: []byte("[]"), delivered: map[int]bool{}}
	l.begin(t)
	return l
}

func (l *life) begin(t *rapid.T) {
	var err error
	l.box, err = outbox.New[int](pipeline.ID{Type: "test"}, noop.NewMeterProvider().Meter(""), 1<<30)
	require.NoError(t, err)
	l.batch = nil
}

func (l *life) put(t *rapid.T, n int) {
	_, err := l.box.Put(outbox.Entry[int]{Item: n, Size: payload})
	require.NoError(t, err)
}

func (l *life) keep(t *rapid.T) {
	var err error
	l.kept, err = json.Marshal(l.box.Snapshot())
	require.NoError(t, err)
	l.since = nil
}

// kill ends it without a word: the next one has what was kept, and the source tells
// again what came after.
func (l *life) kill(t *rapid.T) {
	var entries []outbox.Entry[int]
	require.NoError(t, json.Unmarshal(l.kept, &entries))
	l.begin(t)
	require.Zero(t, l.box.Refill(entries))
	for _, n := range l.since {
		l.put(t, n)
	}
}

func (l *life) deliver(t *rapid.T, whole int) {
	for i, entry := range l.batch.Entries {
		if i > 0 {
			require.Less(t, l.batch.Entries[i-1].Item, entry.Item, "in order")
		}
		if i < whole {
			l.delivered[entry.Item] = true
		}
	}
	l.batch.Split(whole).Done()
	l.batch.Return()
	l.batch = nil
}

func TestNothingIsLostOverKills(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLife(rt)
		take := func(rt *rapid.T) {
			if waiting, _ := l.box.Len(); waiting == 0 || l.batch != nil {
				rt.Skip()
			}
			var err error
			l.batch, err = l.box.Next(context.Background(), rapid.IntRange(1, 3).Draw(rt, "size")*payload)
			require.NoError(rt, err)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				l.next++
				l.since = append(l.since, l.next)
				l.put(rt, l.next)
			},
			"take": take,
			"end": func(rt *rapid.T) {
				if l.batch == nil {
					rt.Skip()
				}
				l.deliver(rt, rapid.IntRange(0, len(l.batch.Entries)).Draw(rt, "whole"))
			},
			"keep": l.keep,
			"kill": l.kill,
			"hand over": func(rt *rapid.T) {
				if l.batch != nil {
					l.batch.Return()
				}
				l.box.Retire()
				l.keep(rt)
				l.kill(rt)
			},
		})
		if l.batch != nil {
			l.deliver(rt, 0)
		}
		for waiting, _ := l.box.Len(); waiting > 0; waiting, _ = l.box.Len() {
			take(rt)
			l.deliver(rt, len(l.batch.Entries))
		}
		for n := 1; n <= l.next; n++ {
			require.True(rt, l.delivered[n], "%d was not delivered", n)
		}
		require.Len(rt, l.delivered, l.next)
	})
}

func BenchmarkSnapshot(b *testing.B) {
	box, err := outbox.New[string](pipeline.ID{Type: "test"}, noop.NewMeterProvider().Meter(""), outbox.DefaultMaxBytes)
	require.NoError(b, err)
	for n := range 1000 {
		_, err := box.Put(outbox.Entry[string]{Item: strconv.Itoa(n), Severity: log.Severity(n % 24), Size: payload})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(box.Snapshot()) != 1000 {
			b.Fatal("not all")
		}
	}
	require.True(b, slices.IsSortedFunc(box.Snapshot(), func(x, y outbox.Entry[string]) int { return len(x.Item) - len(y.Item) }))
}

// A batch that comes back, as with each refusal, does not move all that wait for each
// of its entries.
func TestReturnOfMany(t *testing.T) {
	const taken, waiting = 1000, 500
	box := newOutbox(t, (taken+waiting)*weight)
	for range taken + waiting {
		put(t, box, info, "one")
	}
	for range 3 { // whatever room the times before have left
		batch, err := box.Next(t.Context(), taken*payload)
		require.NoError(t, err)
		require.Len(t, batch.Entries, taken)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		batch.Return()
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
	}
}
