package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// workshop makes components that note what is done to them.
type workshop struct {
	mu        sync.Mutex
	log       []string
	stop      func(context.Context, string) error // nil: at once
	failStart string
	sinks     map[string]*pipelinetest.Sink
	next      map[string]pipeline.Consumer
	reader    *sdkmetric.ManualReader
	board     *pipeline.StatusBoard
	clock     *pipelinetest.Clock
}

type noted struct {
	w    *workshop
	id   string
	next pipeline.Consumer
}

func (w *workshop) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, text)
}

func (n noted) Start(context.Context) error {
	n.w.note("start " + n.id)
	if n.w.failStart == n.id {
		return errors.New("no such thing")
	}
	return nil
}

func (n noted) Shutdown(ctx context.Context) error {
	n.w.note("stop " + n.id)
	if n.w.stop == nil {
		return nil
	}
	return n.w.stop(ctx, n.id)
}

func (n noted) Consume(ctx context.Context, batch []pipeline.Record) error {
	if n.next == nil {
		return n.w.sinks[n.id].Consume(ctx, batch)
	}
	return n.next.Consume(ctx, batch)
}

func (w *workshop) factories() pipeline.Factories {
	return pipeline.Factories{
		Receivers: map[string]pipeline.ReceiverFactory{"in": {Type: "in",
			Create: func(s pipeline.Settings, _ pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
				w.next[s.ID.String()] = next
				return noted{w: w, id: s.ID.String(), next: next}, nil
			}}},
		Processors: map[string]pipeline.ProcessorFactory{"mid": {Type: "mid",
			Create: func(s pipeline.Settings, _ pipeline.Config, next pipeline.Consumer) (pipeline.Processor, error) {
				return noted{w: w, id: s.ID.String(), next: next}, nil
			}}},
		Exporters: map[string]pipeline.ExporterFactory{"out": {Type: "out",
			Create: func(s pipeline.Settings, _ pipeline.Config) (pipeline.Exporter, error) {
				w.sinks[s.ID.String()] = &pipelinetest.Sink{}
				return noted{w: w, id: s.ID.String()}, nil
			}}},
	}
}

func build(t *testing.T, w *workshop, pipelines ...pipeline.PipelineConfig) (*pipeline.Graph, error) {
	t.Helper()
	w.sinks, w.next = map[string]*pipelinetest.Sink{}, map[string]pipeline.Consumer{}
	w.clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(0, 0), Boot: time.Hour})
	w.board = pipeline.NewStatusBoard(w.clock)
	w.reader = sdkmetric.NewManualReader()
	settings := pipelinetest.Settings(t, "agent")
	settings.Clock = w.clock
	return pipeline.BuildGraph(w.factories(), pipeline.GraphConfig{Pipelines: pipelines}, pipeline.GraphSettings{
		Settings: settings, Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader)), Board: w.board,
	})
}

func ids(texts ...string) []pipeline.ID {
	var list []pipeline.ID
	for _, text := range texts {
		id, _ := pipeline.ParseID(text)
		list = append(list, id)
	}
	return list
}

// wired is the pipeline logs/NAME; the name metrics is that of the metrics pipeline.
func wired(name string, receivers, processors, exporters []pipeline.ID) pipeline.PipelineConfig {
	if name == pipeline.PipelineMetrics {
		return pipeline.PipelineConfig{ID: pipeline.ID{Type: name}, Receivers: receivers, Exporters: exporters}
	}
	return pipeline.PipelineConfig{ID: pipeline.ID{Type: "logs", Name: name}, Receivers: receivers, Processors: processors, Exporters: exporters}
}

func TestGraphStartsAtTheEndAndStopsAtTheSource(t *testing.T) {
	w := &workshop{}
	graph, err := build(t, w, wired("a", ids("in"), ids("mid/1", "mid/2"), ids("out/1", "out/2")))
	require.NoError(t, err)
	require.NoError(t, graph.Start(t.Context()))
	require.Equal(t, []string{"start out/1", "start out/2", "start mid/2", "start mid/1", "start in"}, w.log)

	for _, status := range w.board.All() {
		want := pipeline.ComponentStarting // receivers and exporters say themselves when they are ok
		if status.Kind == pipeline.KindProcessor {
			want = pipeline.ComponentOK
		}
		require.Equal(t, want, status.State, status.ID)
	}

	w.log = nil
	require.NoError(t, graph.Shutdown(t.Context()))
	require.Equal(t, []string{"stop in", "stop mid/1", "stop mid/2"}, w.log[:3])
	require.ElementsMatch(t, []string{"stop out/1", "stop out/2"}, w.log[3:])
}

// An exporter that hangs until the deadline takes no time of the others, before and
// behind it, and the graph waits for it.
func TestGraphEndsExportersAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	others := make(chan struct{}, 2)
	w := &workshop{stop: func(ctx context.Context, id string) error {
		switch id {
		case "out/hangs":
			<-ctx.Done()
			return errors.New("not all was told")
		case "out/1", "out/2":
			others <- struct{}{}
		}
		return nil
	}}
	graph, err := build(t, w, wired("a", ids("in"), ids("mid"), ids("out/1", "out/hangs", "out/2")))
	require.NoError(t, err)
	require.NoError(t, graph.Start(ctx))
	ended := make(chan error, 1)
	go func() { ended <- graph.Shutdown(ctx) }()
	<-others
	<-others
	require.Empty(t, ended)
	cancel()
	require.EqualError(t, <-ended, "shut down exporter out/hangs: not all was told")
	require.Equal(t, []string{"stop in", "stop mid"}, w.log[5:7])
}

func TestGraphShutsDownWhatHadStarted(t *testing.T) {
	w := &workshop{failStart: "mid"}
	graph, err := build(t, w, wired("a", ids("in"), ids("mid"), ids("out")))
	require.NoError(t, err)
	require.EqualError(t, graph.Start(t.Context()), "start processor mid: no such thing")
	require.Equal(t, []string{"start out", "start mid", "stop mid", "stop out"}, w.log)
}

func TestGraphSharesReceiversAndExporters(t *testing.T) {
	w := &workshop{}
	graph, err := build(t, w,
		wired("a", ids("in/1", "in/2"), ids("mid"), ids("out")),
		wired("b", ids("in/1"), nil, ids("out", "out/raw")))
	require.NoError(t, err)
	require.NoError(t, graph.Start(t.Context()))
	require.Equal(t, 1, countOf(w.log, "start in/1"))
	require.Equal(t, 1, countOf(w.log, "start out"))

	require.NoError(t, w.next["in/1"].Consume(t.Context(), pipelinetest.Lines("in/1", 1, "x")))
	require.NoError(t, w.next["in/2"].Consume(t.Context(), pipelinetest.Lines("in/2", 1, "y")))
	require.Equal(t, []string{"x", "x", "y"}, w.sinks["out"].Lines())
	require.Equal(t, []string{"x"}, w.sinks["out/raw"].Lines())

	require.Len(t, graph.ExportersBehind("mid"), 1)
	require.Equal(t, ids("in/1", "in/2"), graph.ReceiversBefore("mid"))
	require.Empty(t, graph.ExportersBehind("none"))
	require.NoError(t, graph.Shutdown(t.Context()))
}

func countOf(log []string, entry string) int {
	return len(slices.DeleteFunc(slices.Clone(log), func(s string) bool { return s != entry }))
}

func TestGraphCountsWhatIsAccepted(t *testing.T) {
	w := &workshop{}
	_, err := build(t, w, wired("a", ids("in/1"), nil, ids("out")))
	require.NoError(t, err)
	batch := append(pipelinetest.Lines("in/1", 1, "x", "y"), pipeline.Record{EventName: pipeline.EventBacklogEnd})
	require.NoError(t, w.next["in/1"].Consume(t.Context(), batch))
	require.NoError(t, w.sinks["out"].Shutdown(t.Context()))
	require.Error(t, w.next["in/1"].Consume(t.Context(), batch), "what is refused is not counted")

	var got metricdata.ResourceMetrics
	require.NoError(t, w.reader.Collect(t.Context(), &got))
	require.Len(t, got.ScopeMetrics, 1)
	metric := got.ScopeMetrics[0].Metrics[0]
	require.Equal(t, "otelnpd.receiver.accepted_records", metric.Name)
	sum, ok := metric.Data.(metricdata.Sum[int64])
	require.True(t, ok)
	require.Equal(t, int64(2), sum.DataPoints[0].Value)
}

func TestGraphRefusesUnknownTypes(t *testing.T) {
	for want, p := range map[string]pipeline.PipelineConfig{
		"no receiver of type nope":  wired("a", ids("nope"), nil, ids("out")),
		"no processor of type nope": wired("a", ids("in"), ids("nope"), ids("out")),
		"no exporter of type nope":  wired("a", ids("in"), nil, ids("nope")),
	} {
		_, err := build(t, &workshop{}, p)
		require.ErrorContains(t, err, want)
	}
}

func TestGraphTellsWhichPipelineStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workshop{}
		graph, err := build(t, w, wired("a", ids("in"), nil, ids("out")), wired("b", ids("in/2"), nil, ids("out/2")))
		require.NoError(t, err)
		release := make(chan struct{})
		w.sinks["out"].Gate = func(context.Context) error { <-release; return nil }
		go func() { _ = w.next["in"].Consume(context.Background(), pipelinetest.Lines("in", 1, "x")) }()
		synctest.Wait()

		w.clock.Advance(time.Minute)
		require.Empty(t, graph.Stalled(time.Minute))
		w.clock.Advance(time.Second)
		require.Equal(t, []string{"logs/a"}, graph.Stalled(time.Minute))

		close(release)
		synctest.Wait()
		require.Empty(t, graph.Stalled(0))
	})
}
