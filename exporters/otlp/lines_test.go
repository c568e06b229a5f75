package otlp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc/codes"

	"github.com/otelnpd/otelnpd/exporters/otlp"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// raw are lines of a source, of a severity.
func raw(first, n int, severity log.Severity) []pipeline.Record {
	var texts []string
	for i := range n {
		texts = append(texts, fmt.Sprintf("line %d", first+i))
	}
	batch := pipelinetest.Lines("kmsg", uint64(first), texts...)
	for i := range batch {
		batch[i].Severity = severity
	}
	return batch
}

// ended is a context without time: what remains is kept.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestRawLines(t *testing.T) {
	l := newLab(t)
	exporter := l.start(t)
	batch := raw(1, 2, log.SeverityWarn)
	batch[1].Severity = log.SeverityUndefined
	context := raw(3, 1, log.SeverityWarn)[0]
	context.EventName = pipeline.EventContext
	require.NoError(t, exporter.Consume(t.Context(), append(batch, context, pipeline.Record{EventName: pipeline.EventBacklogEnd})))
	l.WaitForBodies(t, 2)
	shutdown(t, exporter)
	records := l.Requests()[0].Records()
	require.Len(t, records, 2, "context and the end of a backlog are no lines")
	require.Empty(t, records[0].GetEventName())
	require.Equal(t, "WARN", records[0].GetSeverityText())
	require.Equal(t, logspb.SeverityNumber_SEVERITY_NUMBER_WARN, records[0].GetSeverityNumber())
	require.EqualValues(t, batch[0].Time.UnixNano(), records[0].GetTimeUnixNano())
	require.Equal(t, "line 1", records[0].GetBody().GetStringValue())
	require.Empty(t, records[1].GetSeverityText())
	attributes := map[string]string{}
	for _, one := range records[0].GetAttributes() {
		attributes[one.GetKey()] = one.GetValue().GetStringValue()
	}
	require.Equal(t, map[string]string{
		"log.record.uid": pipeline.LineUID("node-1", batch[0].Place).String(), "otelnpd.receiver": "kmsg", "log.facility": "kern",
	}, attributes)
}

// Whatever waits of raw lines, a problem goes with the next request.
func TestProblemsGoBeforeRawLines(t *testing.T) {
	l := newLab(t)
	release := make(chan struct{})
	l.Answer(func(*otlptest.Request) otlptest.Reply { return otlptest.Reply{Hold: release} })
	exporter := l.start(t)
	require.NoError(t, exporter.Consume(t.Context(), raw(0, 1, log.SeverityFatal)))
	l.WaitFor(t, "the first line", func(all []*otlptest.Request) bool { return len(all) == 1 })
	require.NoError(t, exporter.Consume(t.Context(), raw(1, 100, log.SeverityFatal)))
	require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(1, log.SeverityDebug, "a problem")}))
	close(release)
	l.WaitForBodies(t, 102)
	require.Equal(t, []string{"line 0", "a problem", "line 1"}, l.Bodies()[:3])
}

// While the Collector is away more raw lines come than there is room for.
func TestAFloodOfRawLinesDisplacesNoProblem(t *testing.T) {
	l := newLab(t)
	l.durable()
	l.Answer(func(*otlptest.Request) otlptest.Reply { return refusing(codes.Unavailable) })
	exporter := l.start(t)
	const problems, lines = 50, 20000
	for n := range problems {
		require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(n, log.SeverityTrace, fmt.Sprintf("problem %d", n))}))
		require.NoError(t, exporter.Consume(t.Context(), raw(n*lines/problems, lines/problems, log.SeverityFatal)))
	}
	require.Equal(t, 1, strings.Count(l.log.String(), "more raw lines wait"), "it is told once")
	_ = exporter.Shutdown(ended())
	l.Answer(nil)
	next := l.resume(t, kept(t, exporter)) // and it is no other after a restart
	require.NoError(t, next.Start(t.Context()))
	shutdown(t, next)
	got := map[string]int{}
	for _, body := range l.Bodies() {
		kind, _, _ := strings.Cut(body, " ")
		got[kind]++
	}
	lost := l.sums(t)["exporter.dropped_records lines_full"]
	require.Equal(t, problems, got["problem"])
	require.EqualValues(t, lines, int64(got["line"])+lost)
	require.Greater(t, lost, int64(1000))
	require.Greater(t, got["line"], 1000)
	require.Zero(t, l.sums(t)["exporter.dropped_records outbox_full"])
	require.Zero(t, l.sums(t)["exporter.queue_length"])
}

func TestOfRawLinesTheLeastGraveGoFirst(t *testing.T) {
	l := newLab(t)
	exporter := l.make(t)
	require.NoError(t, exporter.Consume(t.Context(), raw(0, 10, log.SeverityError)))
	require.NoError(t, exporter.Consume(t.Context(), raw(10, 20000, log.SeverityInfo)))
	require.NoError(t, exporter.Start(t.Context()))
	shutdown(t, exporter)
	require.Subset(t, l.Bodies(), []string{"line 0", "line 9", "line 20009"})
	require.NotContains(t, l.Bodies(), "line 10")
}

// Raw lines move with their position: they make no write of the state of their own.
func TestRawLinesAreWrittenAtLeisure(t *testing.T) {
	l := newLab(t)
	var told pipelinetest.Kept
	l.settings.Keeping = told.Keeping()
	exporter := l.make(t)
	require.NoError(t, exporter.Consume(t.Context(), raw(0, 10, log.SeverityError)))
	require.Zero(t, told.Changed())
	require.Positive(t, told.Moved())
	require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(1, log.SeverityDebug, "a problem")}))
	require.Positive(t, told.Changed())
	require.NoError(t, exporter.Start(t.Context()))
	shutdown(t, exporter)
}

// A line that the Collector refuses is found, and costs no other.
func TestARefusedRawLine(t *testing.T) {
	l := newLab(t)
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if holds(r, "line 33") {
			return refusing(codes.InvalidArgument)
		}
		return otlptest.Reply{}
	})
	exporter := l.start(t)
	require.NoError(t, exporter.Consume(t.Context(), raw(0, 100, log.SeverityInfo)))
	shutdown(t, exporter)
	accepted := slices.DeleteFunc(l.Bodies(), func(body string) bool { return body == "line 33" })
	require.Len(t, accepted, 99)
	require.EqualValues(t, 1, l.sums(t)["exporter.dropped_records refused"])
	require.EqualValues(t, 99, l.sums(t)["exporter.sent_records"])
}

// What a raw line costs from the pipeline into the outbox.
func BenchmarkRawLine(b *testing.B) {
	settings := pipelinetest.Settings(b, "otlp")
	config := otlp.DefaultConfig()
	config.Endpoint = "http://127.0.0.1:1"
	exporter, err := otlp.NewFactory(nil).Create(settings, config)
	require.NoError(b, err)
	batch := raw(0, 100, log.SeverityInfo)
	b.ReportAllocs()
	for b.Loop() {
		if err := exporter.Consume(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/line")
}
