package dedupe_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/processors/dedupe"
)

func newProcessor(t testing.TB, next pipeline.Consumer) *dedupe.Processor {
	t.Helper()
	processor, err := dedupe.New(pipelinetest.Settings(t, "dedupe"), next)
	require.NoError(t, err)
	return processor
}

func consume(t testing.TB, to pipeline.Consumer, batches ...[]pipeline.Record) {
	t.Helper()
	for _, batch := range batches {
		require.NoError(t, to.Consume(context.Background(), batch))
	}
}

func lines(receiver string, first uint64, text ...string) []pipeline.Record {
	return pipelinetest.Lines(receiver, first, text...)
}

// at returns lines of another place.
func at(batch []pipeline.Record, change func(*pipeline.Place)) []pipeline.Record {
	for i := range batch {
		change(&batch[i].Place)
	}
	return batch
}

func TestContracts(t *testing.T) {
	factory := dedupe.NewFactory()
	pipelinetest.CheckProcessor(t, pipelinetest.ProcessorUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Processor {
			t.Helper()
			config := factory.DefaultConfig()
			require.NoError(t, config.Validate())
			processor, err := factory.Create(pipelinetest.Settings(t, "dedupe"), config, next)
			require.NoError(t, err)
			return processor
		},
		Batches: [][]pipeline.Record{
			lines("kmsg", 5, "five", "six", "seven"),
			lines("kmsg", 6, "six", "seven", "eight"),
			{pipelinetest.ProblemRecord("check", 3, pipeline.Problem{Rule: "check", Message: "bad"})},
		},
	})
}

func TestDrops(t *testing.T) {
	for name, test := range map[string]struct {
		batches [][]pipeline.Record
		want    []string
	}{
		"a batch read again": {
			[][]pipeline.Record{lines("kmsg", 1, "a", "b"), lines("kmsg", 1, "a", "b")},
			[]string{"a", "b"},
		},
		"the part of a batch that was read before": {
			[][]pipeline.Record{lines("kmsg", 1, "a", "b"), lines("kmsg", 2, "b", "c")},
			[]string{"a", "b", "c"},
		},
		"a line twice within a batch": {
			[][]pipeline.Record{append(lines("kmsg", 1, "a", "b"), lines("kmsg", 1, "a", "b", "c")...)},
			[]string{"a", "b", "c"},
		},
		"nothing of the first line, though its position is 0": {
			[][]pipeline.Record{lines("kmsg", 0, "a"), lines("kmsg", 0, "a")},
			[]string{"a"},
		},
		"nothing of another receiver on the same source": {
			[][]pipeline.Record{lines("kmsg", 1, "a"), lines("kmsg/2", 1, "a"), lines("kmsg/2", 1, "a")},
			[]string{"a", "a"},
		},
		"nothing of another boot": {
			[][]pipeline.Record{lines("kmsg", 7, "a"), at(lines("kmsg", 1, "b"), func(p *pipeline.Place) { p.Scope = "later" })},
			[]string{"a", "b"},
		},
		"nothing of another source": {
			[][]pipeline.Record{lines("file", 7, "a"), at(lines("file", 1, "b"), func(p *pipeline.Place) { p.Source = "other" })},
			[]string{"a", "b"},
		},
		"nothing of a later generation": {
			[][]pipeline.Record{lines("file", 7, "a"), at(lines("file", 1, "b"), func(p *pipeline.Place) { p.Generation = 1 })},
			[]string{"a", "b"},
		},
		"each source's own, turn by turn": {
			[][]pipeline.Record{
				lines("kmsg", 1, "a"), lines("kmsg/2", 1, "A"), lines("kmsg", 2, "b"),
				lines("kmsg/2", 1, "A", "B"), lines("kmsg", 1, "a", "b", "c"),
			},
			[]string{"a", "A", "b", "B", "c"},
		},
		"nothing of lines without a place": {
			[][]pipeline.Record{at(lines("x", 1, "a"), func(p *pipeline.Place) { *p = pipeline.Place{} }),
				at(lines("x", 1, "a"), func(p *pipeline.Place) { *p = pipeline.Place{} })},
			[]string{"a", "a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sink := &pipelinetest.Sink{}
			consume(t, newProcessor(t, sink), test.batches...)
			require.Empty(t, cmp.Diff(test.want, sink.Lines()))
		})
	}
}

func TestWhatIsNoLinePassesInOrder(t *testing.T) {
	problem := pipelinetest.ProblemRecord("kmsg", 1, pipeline.Problem{Rule: "r", Message: "m"})
	end := lines("kmsg", 1, "")[0]
	end.EventName = pipeline.EventBacklogEnd
	batch := append(lines("kmsg", 1, "a", "b"), problem, end)
	sink := &pipelinetest.Sink{}
	consume(t, newProcessor(t, sink), batch, batch)
	again := asContext(lines("kmsg", 1, "a", "b"))
	require.Empty(t, pipelinetest.Diff(append(batch[:4:4], append(again, problem, end)...), sink.Records()))
}

func asContext(batch []pipeline.Record) []pipeline.Record {
	for i := range batch {
		batch[i].EventName = pipeline.EventContext
	}
	return batch
}

// TestWhatIsReplayedIsContext: the windows of rules that have not seen it must not
// have a hole.
func TestWhatIsReplayedIsContext(t *testing.T) {
	sink := &pipelinetest.Sink{}
	processor := newProcessor(t, sink)
	consume(t, processor, lines("kmsg", 1, "a", "b"))
	context := asContext(lines("kmsg", 1, "a"))
	mixed := lines("kmsg", 1, "a", "b", "c")
	consume(t, processor, context, mixed)
	require.True(t, mixed[0].IsLine(), "the batch is another's")
	want := append(lines("kmsg", 1, "a", "b"), context[0])
	want = append(want, asContext(lines("kmsg", 1, "a", "b"))...)
	want = append(want, lines("kmsg", 3, "c")...)
	require.Empty(t, pipelinetest.Diff(want, sink.Records()))
	require.Equal(t, uint64(3), processor.Snapshot()[0].Place.Position, "context moves nothing back")
}

func TestARefusedBatchIsNewWhenItComesAgain(t *testing.T) {
	refuse := errors.New("shutting down")
	var answer error
	sink := &pipelinetest.Sink{Gate: func(context.Context) error { return answer }}
	processor := newProcessor(t, sink)
	consume(t, processor, lines("kmsg", 1, "a"))
	before := processor.Snapshot()

	answer = refuse
	mixed := append(lines("kmsg", 2, "b", "c"), lines("kmsg/2", 1, "B")...)
	mixed = append(mixed, lines("kmsg", 4, "d")...)
	require.ErrorIs(t, processor.Consume(context.Background(), mixed), refuse)
	require.Empty(t, cmp.Diff(before, processor.Snapshot()))

	answer = nil
	consume(t, processor, mixed)
	require.Equal(t, []string{"a", "b", "c", "B", "d"}, sink.Lines())
}

func TestSnapshotsCarryOver(t *testing.T) {
	sink := &pipelinetest.Sink{}
	first := newProcessor(t, sink)
	consume(t, first, lines("kmsg", 1, "a", "b"), lines("kmsg/2", 8, "A"))
	snapshot := first.Snapshot()
	require.Equal(t, []dedupe.Watermark{
		{Receiver: "kmsg", Place: lines("", 2, "")[0].Place},
		{Receiver: "kmsg/2", Place: lines("", 8, "")[0].Place},
	}, snapshot)

	second := newProcessor(t, sink)
	second.Restore(snapshot)
	snapshot[0].Place.Position = 99 // the processor has a copy
	consume(t, second, lines("kmsg", 2, "b", "c"), lines("kmsg/2", 8, "A", "B"))
	require.Equal(t, []string{"a", "b", "A", "c", "B"}, sink.Lines())
}

func TestSourcesAreBounded(t *testing.T) {
	const limit = 1024
	sink := &pipelinetest.Sink{}
	processor := newProcessor(t, sink)
	source := func(i int) []pipeline.Record {
		return at(lines("file", 1, "x"), func(p *pipeline.Place) { p.Source = strconv.Itoa(i) })
	}
	for i := range limit {
		consume(t, processor, source(i))
	}
	consume(t, processor, source(0)) // dropped, but used: 1 is now the oldest
	consume(t, processor, source(limit))
	require.Len(t, processor.Snapshot(), limit)
	require.Len(t, sink.Lines(), limit+1)

	consume(t, processor, source(0))
	require.Len(t, sink.Lines(), limit+1, "the source used last is remembered")
	consume(t, processor, source(1))
	require.Len(t, sink.Lines(), limit+2, "the one silent for longest is not")

	restored := newProcessor(t, sink)
	restored.Restore(append(make([]dedupe.Watermark, 5), processor.Snapshot()...))
	require.Equal(t, processor.Snapshot(), restored.Snapshot())
}

func TestCountsWhatItDrops(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	settings := pipelinetest.Settings(t, "dedupe")
	settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	processor, err := dedupe.New(settings, &pipelinetest.Sink{})
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"replayed": 0}, dropped(t, reader), "zero from the start")
	consume(t, processor, lines("kmsg", 1, "a", "b"), lines("kmsg", 1, "a", "b", "c"), lines("kmsg", 3, "c"))
	require.Equal(t, map[string]int64{"replayed": 3}, dropped(t, reader))
}

func dropped(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	require.Len(t, all.ScopeMetrics[0].Metrics, 1)
	m := all.ScopeMetrics[0].Metrics[0]
	require.Equal(t, "otelnpd.dedupe.dropped_records", m.Name)
	sum, ok := m.Data.(metricdata.Sum[int64])
	require.True(t, ok)
	byReason := map[string]int64{}
	for _, point := range sum.DataPoints {
		reason, _ := point.Attributes.Value("reason")
		byReason[reason.AsString()] = point.Value
	}
	return byReason
}

// TestEveryLineOnce reads sources again and again from arbitrary places, as
// crashes make a receiver do: every line comes out, and none twice.
func TestEveryLineOnce(t *testing.T) {
	settings := pipelinetest.Settings(t, "dedupe")
	rapid.Check(t, func(t *rapid.T) {
		sink := &pipelinetest.Sink{}
		processor, err := dedupe.New(settings, sink)
		require.NoError(t, err)
		positions := map[string]uint64{}
		want := map[string]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "batches") {
			receiver := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "receiver")
			from := rapid.Uint64Range(0, positions[receiver]).Draw(t, "from")
			n := rapid.Uint64Range(0, 5).Draw(t, "n")
			var batch []pipeline.Record
			for i := range n {
				text := fmt.Sprint(receiver, from+i)
				want[text] = true
				batch = append(batch, lines(receiver, from+i, text)...)
			}
			positions[receiver] = max(positions[receiver], from+n)
			require.NoError(t, processor.Consume(context.Background(), batch))
		}
		got := map[string]bool{}
		for _, line := range sink.Lines() {
			require.False(t, got[line], "twice: %s", line)
			got[line] = true
		}
		require.Equal(t, want, got)
	})
}

// BenchmarkConsume measures an ordinary batch.
func BenchmarkConsume(b *testing.B) {
	processor := newProcessor(b, pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return nil }))
	text := make([]string, 256)
	batch := lines("kmsg", 1, text...)
	b.ReportAllocs()
	next := uint64(1)
	for b.Loop() {
		for i := range batch {
			batch[i].Place.Position = next
			next++
		}
		if err := processor.Consume(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/line")
}
