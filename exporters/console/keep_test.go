package console_test

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

var (
	_ pipeline.Keeper = keeper(nil)
	_ pipeline.Heir   = keeper(nil)
)

// keeper is the exporter with all that it can.
type keeper interface {
	pipeline.Exporter
	pipeline.Keeper
	pipeline.Heir
}

// lives makes exporters that follow one another on one output.
type lives struct {
	factory pipeline.ExporterFactory
	reader  sdkmetric.Reader
	meters  *sdkmetric.MeterProvider
	keeping pipeline.Keeping
}

func newLives(out io.Writer) *lives {
	l := &lives{factory: console.NewFactory(out, false), reader: sdkmetric.NewManualReader()}
	l.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.reader))
	return l
}

func (l *lives) next(t *testing.T, output console.Output) keeper {
	t.Helper()
	settings := pipelinetest.Settings(t, "console")
	settings.Meter, settings.Keeping = l.meters.Meter("test"), l.keeping
	exporter, err := l.factory.Create(settings, &console.Config{Output: output, Color: console.ColorNever})
	require.NoError(t, err)
	made, ok := exporter.(keeper)
	require.True(t, ok)
	return made
}

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

// handOver replaces an exporter, as a reload does.
func handOver(t *testing.T, old, successor keeper) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	require.NoError(t, old.Shutdown(ctx))
	require.Less(t, time.Since(begun), 5*time.Second, "promptly")
	successor.Inherit(old)
	if text := kept(t, old); text != nil {
		require.NoError(t, successor.Resume(text))
	}
	require.NoError(t, old.Shutdown(t.Context()), "once more is no more")
}

// figures are the counters and gauges, by NAME or NAME/REASON, without zeros.
func (l *lives) figures(t *testing.T) map[string]int64 {
	t.Helper()
	var read metricdata.ResourceMetrics
	require.NoError(t, l.reader.Collect(t.Context(), &read))
	figures := map[string]int64{}
	for _, m := range read.ScopeMetrics[0].Metrics {
		sum, ok := m.Data.(metricdata.Sum[int64])
		require.True(t, ok)
		for _, point := range sum.DataPoints {
			name := strings.TrimPrefix(m.Name, "otelnpd.exporter.")
			if reason, ok := point.Attributes.Value("reason"); ok {
				name += "/" + reason.AsString()
			}
			if point.Value != 0 {
				figures[name] = point.Value
			}
		}
	}
	return figures
}

func consume(t *testing.T, exporter pipeline.Exporter, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(n, log.SeverityWarn)}))
	}
}

func numbers(from, to int) (all []int) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// A reload in the middle of a line: the pipe is full, and the next exporter goes on
// where the old one was cut off.
func TestHandOverOfAFullPipe(t *testing.T) {
	for name, pipe := range pipes {
		t.Run(name, func(t *testing.T) {
			read, write := pipe(t)
			l := newLives(write)
			exporter := l.next(t, console.OutputJSON)
			require.NoError(t, exporter.Start(t.Context()))
			for generation := range 4 {
				consume(t, exporter, numbers(100*generation, 100*generation+100)...)
				successor := l.next(t, console.OutputJSON)
				handOver(t, exporter, successor)
				require.Error(t, exporter.Consume(t.Context(), nil))
				require.NoError(t, successor.Start(t.Context()))
				exporter = successor
			}
			figures := l.figures(t)
			require.EqualValues(t, 400, figures["sent_records"]+figures["queue_length"], "each is counted once")
			require.Positive(t, figures["queue_length"])
			text := make(chan string)
			go func() {
				all, _ := io.ReadAll(read)
				text <- string(all)
			}()
			shutdown(t, exporter)
			require.NoError(t, write.Close())
			require.Equal(t, numbers(0, 400), problemsIn(t, <-text))
			require.Equal(t, map[string]int64{"sent_records": 400}, l.figures(t))
		})
	}
}

// A restart: another process has another output, so that the line that was cut off
// is written whole.
func TestRestartWithAFullPipe(t *testing.T) {
	for name, pipe := range pipes {
		t.Run(name, func(t *testing.T) {
			_, write := pipe(t)
			l := newLives(write)
			l.keeping.IsDurable = func() bool { return true }
			exporter := l.next(t, console.OutputJSON)
			require.NoError(t, exporter.Start(t.Context()))
			consume(t, exporter, numbers(0, 200)...)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			require.NoError(t, exporter.Shutdown(ctx), "nothing is lost")
			figures := l.figures(t)
			require.Len(t, figures, 1, "nothing is dropped, and nothing waits any more: %v", figures)

			out := &pipelinetest.Output{}
			again := newLives(out)
			exporter, text := again.next(t, console.OutputJSON), kept(t, exporter)
			require.NoError(t, exporter.Resume(text))
			require.Equal(t, 200-figures["sent_records"], again.figures(t)["queue_length"])
			require.Len(t, again.figures(t), 2)
			require.JSONEq(t, string(text), string(kept(t, exporter)), "before Start too")
			consume(t, exporter, 200)
			require.NoError(t, exporter.Start(t.Context()))
			shutdown(t, exporter)
			require.Equal(t, numbers(int(figures["sent_records"]), 201), problemsIn(t, out.String()))
			require.Nil(t, kept(t, exporter))
		})
	}
}

func TestAnotherFormat(t *testing.T) {
	read, write := blockingPipe(t)
	l := newLives(write)
	exporter := l.next(t, console.OutputJSON)
	require.NoError(t, exporter.Start(t.Context()))
	consume(t, exporter, numbers(0, 200)...)
	successor := l.next(t, console.OutputText)
	handOver(t, exporter, successor)
	sent := l.figures(t)["sent_records"]
	dropped := l.figures(t)["dropped_records/format_changed"]
	require.Contains(t, []int64{199, 200}, sent+dropped, "all but a line that was begun")
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(read)
		text <- string(all)
	}()
	require.NoError(t, successor.Start(t.Context()))
	consume(t, successor, 200)
	shutdown(t, successor)
	require.NoError(t, write.Close())
	lines := slices.Collect(strings.Lines(<-text))
	require.Contains(t, lines[len(lines)-1], "WARN  KernelOops")
	require.Equal(t, numbers(0, int(200-dropped)), problemsIn(t, strings.Join(lines[:len(lines)-1], "")), "no line is torn")
}

// A writer of which nothing is known may hang, and be written to by both.
func TestHandOverOfAnOutputThatHangs(t *testing.T) {
	gate := make(chan struct{})
	l := newLives(gated{&gate})
	exporter := l.next(t, console.OutputJSON)
	require.NoError(t, exporter.Start(t.Context()))
	consume(t, exporter, 1, 2)
	successor := l.next(t, console.OutputJSON)
	handOver(t, exporter, successor)
	require.EqualValues(t, 2, l.figures(t)["queue_length"], "the successor's alone")
	require.NoError(t, successor.Start(t.Context()))
	close(gate)
	shutdown(t, successor)
	require.GreaterOrEqual(t, l.figures(t)["sent_records"], int64(2))
	require.NotContains(t, l.figures(t), "queue_length")
}

func TestWithoutKeepingWhatIsLeftIsDropped(t *testing.T) {
	_, write := blockingPipe(t)
	l := newLives(write)
	exporter := l.next(t, console.OutputJSON)
	consume(t, exporter, 1, 2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	require.EqualError(t, exporter.Shutdown(ctx), "2 records could not be written to the output before the end")
	require.Equal(t, map[string]int64{"dropped_records/shutdown": 2}, l.figures(t))
	require.Nil(t, kept(t, exporter))
}

// What is written at once is worth one note at most, not one that is never over.
func TestChangesComeToAnEnd(t *testing.T) {
	var changes atomic.Int64
	out := &pipelinetest.Output{}
	l := newLives(out)
	l.keeping.OnChanged = func() { changes.Add(1) }
	exporter := l.next(t, console.OutputJSON)
	consume(t, exporter, 1)
	require.EqualValues(t, 1, changes.Load())
	require.NotNil(t, kept(t, exporter))
	require.NoError(t, exporter.Start(t.Context()))
	shutdown(t, exporter)
	require.EqualValues(t, 2, changes.Load(), "it was kept, and is gone")
	require.Nil(t, kept(t, exporter))
}

func TestResumeRefuses(t *testing.T) {
	l := newLives(&pipelinetest.Output{})
	require.ErrorContains(t, l.next(t, console.OutputJSON).Resume([]byte(`{"records": 7}`)), "read the records that the output had not taken")
	exporter := l.next(t, console.OutputJSON)
	require.NoError(t, exporter.Resume([]byte(`{"format":"json","later":1,"records":[{"text":""},{"text":"{}\n","severity":99,"later":2}]}`)))
	require.JSONEq(t, `{"format":"json","records":[{"text":"{}\n","severity":99}]}`, string(kept(t, exporter)))
	exporter.Inherit(nil)
	require.EqualValues(t, 1, l.figures(t)["queue_length"])
}

func FuzzResume(f *testing.F) {
	f.Add([]byte(`{"format":"json","records":[{"text":"{\"a\":1}\n","severity":9},{"text":"{}\n"}]}`))
	f.Add([]byte(`{"format":"text","records":[{"text":"a line\n"}]}`))
	f.Add([]byte(`{"records":[{"severity":-1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		out := &pipelinetest.Output{}
		exporter := newLives(out).next(t, console.OutputJSON)
		if exporter.Resume(text) != nil {
			require.Nil(t, kept(t, exporter))
		}
		if again := kept(t, exporter); again != nil {
			require.True(t, json.Valid(again))
		}
		require.NoError(t, exporter.Start(t.Context()))
		shutdown(t, exporter)
	})
}
