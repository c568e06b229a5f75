package sample_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
	"github.com/otelnpd/otelnpd/processors/sample"
)

// lab is a processor and what comes out of it.
type lab struct {
	pipeline.Processor
	clock  *pipelinetest.Clock
	passed []string
	refuse error
	reader sdkmetric.Reader
}

func newLab(t testing.TB, config *sample.Config) *lab {
	t.Helper()
	require.NoError(t, config.Validate())
	l := &lab{clock: pipelinetest.NewClock(pipeline.Instant{Boot: time.Hour}), reader: sdkmetric.NewManualReader()}
	settings := pipelinetest.Settings(t, "sample/raw")
	settings.Clock, settings.Meter = l.clock, sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.reader)).Meter("test")
	var err error
	l.Processor, err = sample.NewFactory().Create(settings, config, pipeline.ConsumerFunc(l.take))
	require.NoError(t, err)
	return l
}

func (l *lab) take(_ context.Context, batch []pipeline.Record) error {
	if l.refuse != nil {
		return l.refuse
	}
	for i := range batch {
		l.passed = append(l.passed, string(batch[i].Body)+batch[i].EventName)
	}
	return nil
}

func (l *lab) consume(t testing.TB, batches ...[]pipeline.Record) {
	t.Helper()
	for _, batch := range batches {
		require.NoError(t, l.Consume(context.Background(), batch))
	}
}

// dropped is what was counted, by reason.
func (l *lab) dropped(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, l.reader.Collect(context.Background(), &all))
	counts := map[string]int64{}
	sum, ok := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	require.True(t, ok)
	require.Equal(t, "otelnpd.sample.dropped_records", all.ScopeMetrics[0].Metrics[0].Name)
	for _, point := range sum.DataPoints {
		why, _ := point.Attributes.Value("reason")
		which, _ := point.Attributes.Value("processor")
		require.Equal(t, "sample/raw", which.AsString())
		counts[why.AsString()] = point.Value
	}
	return counts
}

func numbered(receiver string, first, n int) []pipeline.Record {
	var texts []string
	for i := range n {
		texts = append(texts, fmt.Sprintf("line %d", first+i))
	}
	return pipelinetest.Lines(receiver, uint64(first), texts...)
}

func TestConfigIsDocumented(t *testing.T) { strictyamltest.CheckStruct(t, sample.Config{}) }

func TestContracts(t *testing.T) {
	for name, config := range map[string]*sample.Config{
		"all":  sample.DefaultConfig(),
		"some": {Ratio: 0.5, MinSeverity: "info", Include: "line", Rate: 20, Burst: 30},
	} {
		t.Run(name, func(t *testing.T) {
			pipelinetest.CheckProcessor(t, pipelinetest.ProcessorUnderTest{
				New: func(t *testing.T, next pipeline.Consumer) pipeline.Processor {
					t.Helper()
					settings := pipelinetest.Settings(t, "sample")
					settings.Clock = pipelinetest.NewClock(pipeline.Instant{Boot: time.Hour})
					processor, err := sample.NewFactory().Create(settings, config, next)
					require.NoError(t, err)
					return processor
				},
				Batches: [][]pipeline.Record{
					numbered("kmsg", 1, 40), numbered("kmsg/2", 1, 40),
					{pipelinetest.ProblemRecord("check", 3, pipeline.Problem{Rule: "check", Message: "bad"})},
				},
			})
		})
	}
}

// What is no line passes, in its order, whatever the configuration says of lines.
func TestOnlyLinesAreDropped(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 0})
	batch := numbered("kmsg", 1, 3)
	batch[1].EventName = pipeline.EventContext
	batch = append(batch, pipeline.Record{EventName: pipeline.EventBacklogEnd},
		pipelinetest.ProblemRecord("check", 3, pipeline.Problem{Rule: "check"}))
	l.consume(t, batch)
	require.Equal(t, []string{"line 2otelnpd.context", "otelnpd.backlog.end", string(batch[4].Body) + "otelnpd.problem"}, l.passed)
	require.Equal(t, map[string]int64{"ratio": 2, "rate": 0, "include": 0, "min_severity": 0}, l.dropped(t))
}

func TestByDefaultAllPass(t *testing.T) {
	l := newLab(t, sample.DefaultConfig())
	l.consume(t, numbered("kmsg", 1, 1000))
	require.Len(t, l.passed, 1000)
	require.Equal(t, map[string]int64{"ratio": 0, "rate": 0, "include": 0, "min_severity": 0}, l.dropped(t), "the zeros are there from the start")
}

func TestSeverityAndPattern(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 1, MinSeverity: "warn", Include: `line [13]$`})
	batch := numbered("kmsg", 0, 5)
	for i, severity := range []log.Severity{log.SeverityFatal, log.SeverityWarn, log.SeverityFatal, log.SeverityUndefined, log.SeverityInfo} {
		batch[i].Severity = severity
	}
	l.consume(t, batch)
	require.Equal(t, []string{"line 1", "line 3"}, l.passed)
	require.Equal(t, map[string]int64{"ratio": 0, "rate": 0, "include": 2, "min_severity": 1}, l.dropped(t))
}

// The same lines pass however they are cut into batches and how often they come, and
// those of a smaller ratio are among those of a larger one.
func TestRatio(t *testing.T) {
	const lines = 20000
	var smaller []string
	for _, ratio := range []float64{0, 0.01, 0.1, 0.5, 0.9, 1} {
		l, again := newLab(t, &sample.Config{Ratio: ratio}), newLab(t, &sample.Config{Ratio: ratio})
		l.consume(t, numbered("kmsg", 0, lines))
		for first := 0; first < lines; first += 100 {
			again.consume(t, numbered("kmsg", first, 100))
		}
		require.Equal(t, l.passed, again.passed)
		passed := map[string]bool{}
		for _, line := range l.passed {
			passed[line] = true
		}
		for _, line := range smaller {
			require.True(t, passed[line], line)
		}
		deviation := math.Sqrt(lines * ratio * (1 - ratio))
		require.InDelta(t, lines*ratio, float64(len(l.passed)), 4*deviation+1, "ratio %v", ratio)
		require.EqualValues(t, lines-len(l.passed), l.dropped(t)["ratio"])
		smaller = l.passed
	}
}

// A sample stays what it was over upgrades.
func TestTheSampleIsFrozen(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 0.1})
	l.consume(t, numbered("kmsg", 0, 100))
	require.Equal(t, golden, l.passed)
}

func TestLinesWithoutAPlaceAreToldByTheirText(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 0.5})
	batch := numbered("kmsg", 0, 1000)
	for i := range batch {
		batch[i].Place = pipeline.Place{}
	}
	l.consume(t, batch)
	require.InDelta(t, 500, len(l.passed), 100)
}

func TestRate(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 1, Rate: 10, Burst: 25})
	l.consume(t, numbered("kmsg", 0, 30), numbered("kmsg/2", 0, 30))
	require.Len(t, l.passed, 50, "each source has its own")
	l.clock.Advance(time.Second)
	l.consume(t, numbered("kmsg", 30, 30))
	require.Len(t, l.passed, 60)
	l.clock.Advance(time.Hour)
	l.consume(t, numbered("kmsg", 60, 30))
	require.Len(t, l.passed, 85)
	require.EqualValues(t, 5+5+20+5, l.dropped(t)["rate"])
}

// What fails another test takes nothing of the rate.
func TestTheRateComesLast(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 1, Include: "9$", Rate: 1, Burst: 10})
	l.consume(t, numbered("kmsg", 0, 100))
	require.Len(t, l.passed, 10)
}

func TestManySourcesShareALimit(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 1, Rate: 1, Burst: 2})
	from := func(prefix string) (batch []pipeline.Record) {
		for i := range 3000 {
			record := numbered("filelog", i, 1)[0]
			record.Place.Source = fmt.Sprintf("file:%s%d", prefix, i)
			batch = append(batch, record)
		}
		return batch
	}
	l.consume(t, from("a"))
	require.Len(t, l.passed, 1024+2)
	l.clock.Advance(time.Minute) // all are as at first: others take their places
	l.consume(t, from("b"))
	require.Len(t, l.passed, 2*(1024+2))
	require.EqualValues(t, 2*(3000-1024-2), l.dropped(t)["rate"])
}

func TestARefusedBatchIsNotCounted(t *testing.T) {
	l := newLab(t, &sample.Config{Ratio: 0.5})
	l.refuse = errors.New("shutting down")
	require.Error(t, l.Consume(context.Background(), numbered("kmsg", 0, 100)))
	require.Zero(t, l.dropped(t)["ratio"])
}

func TestValidate(t *testing.T) {
	for want, wrong := range map[string]sample.Config{
		"ratio: 1.5 is no part: write a number from 0 to 1": {Ratio: 1.5},
		"ratio: NaN is no part":                             {Ratio: math.NaN()},
		"ratio: -1 is no part":                              {Ratio: -1},
		`min_severity: "grave" is unknown`:                  {MinSeverity: "grave"},
		"include: error parsing regexp: missing closing )":  {Include: "("},
		"rate: -1 is out of bounds: write lines a second":   {Rate: -1},
		"rate: NaN is out of bounds":                        {Rate: math.NaN()},
		"burst: -1 is out of bounds":                        {Rate: 1, Burst: -1},
		"burst: is of no use without a rate":                {Burst: 10},
	} {
		require.ErrorContains(t, wrong.Validate(), want)
	}
}

func FuzzConsume(f *testing.F) {
	f.Add(0.5, 3.0, "line", "kmsg", uint64(7), []byte("a line"))
	f.Fuzz(func(t *testing.T, ratio, rate float64, include, source string, position uint64, body []byte) {
		config := sample.Config{Ratio: ratio, Rate: rate, Include: include}
		if config.Validate() != nil {
			return
		}
		l := newLab(t, &config)
		record := pipeline.Record{Body: body, Place: pipeline.Place{Source: source, Position: position}}
		l.consume(t, []pipeline.Record{record, record, record})
		lost := int64(0)
		for _, n := range l.dropped(t) {
			lost += n
		}
		require.EqualValues(t, 3, int64(len(l.passed))+lost, "a line passes or is counted")
	})
}

// An ordinary line costs no allocation. (A regular expression takes its memory from a
// pool, which forgets on purpose under the race detector.)
func TestALineCostsNoAllocation(t *testing.T) {
	settings := pipelinetest.Settings(t, "sample")
	config := &sample.Config{Ratio: 0.5, MinSeverity: "debug", Rate: 1e6}
	processor, err := sample.NewFactory().Create(settings, config, pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return nil }))
	require.NoError(t, err)
	batch := append(numbered("kmsg", 0, 500), numbered("kmsg/2", 0, 500)...)
	perBatch := testing.AllocsPerRun(20, func() { _ = processor.Consume(context.Background(), batch) })
	require.Less(t, perBatch, 10.0)
}

func BenchmarkConsume(b *testing.B) {
	for name, config := range map[string]*sample.Config{
		"all": sample.DefaultConfig(), "ratio": {Ratio: 0.1}, "rate": {Ratio: 1, Rate: 100}, "include": {Ratio: 1, Include: "error|fail"},
	} {
		b.Run(name, func(b *testing.B) {
			processor, err := sample.NewFactory().Create(pipelinetest.Settings(b, "sample"), config, pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return nil }))
			require.NoError(b, err)
			batch := numbered("kmsg", 0, 1000)
			b.ReportAllocs()
			for b.Loop() {
				_ = processor.Consume(context.Background(), batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/line")
		})
	}
}
