package condition_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// scrape returns every series as NAME{VALUE,…} N, the labels in order.
func scrape(t *testing.T, reader *metric.ManualReader) []string {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	var lines []string
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			var points []metricdata.DataPoint[int64]
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				require.Equal(t, m.Name != "k8s.node.condition.status", data.IsMonotonic)
				points = data.DataPoints
			case metricdata.Gauge[int64]:
				points = data.DataPoints
			}
			for _, p := range points {
				var labels []string
				for _, kv := range p.Attributes.ToSlice() {
					labels = append(labels, string(kv.Key)+"="+kv.Value.AsString())
				}
				lines = append(lines, m.Name+"{"+strings.Join(labels, ",")+"} "+strconv.FormatInt(p.Value, 10))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func measured(t *testing.T, b *bench) *metric.ManualReader {
	t.Helper()
	reader := metric.NewManualReader()
	require.NoError(t, b.RegisterMetrics(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test")))
	return reader
}

func TestProblemMetricsStartAtZero(t *testing.T) {
	b := newBench(t)
	require.Equal(t, []string{
		"problem_counter{reason=KernelOops} 0",
		"problem_counter{reason=SlowIO} 0",
		"problem_counter{reason=TaskHung} 0",
		"problem_gauge{reason=SlowIO,type=Slow} 0",
		"problem_gauge{reason=TaskHung,type=Deadlock} 0",
	}, scrape(t, measured(t, b)))
}

func TestProblemMetricsCountEventsForProblems(t *testing.T) {
	b := newBench(t)
	reader := measured(t, b)
	for range 5 {
		b.match(t, "hung") // one activation, four repeats
		b.match(t, "oops") // two firings of two
	}
	fired := b.record("oops", pipeline.StateProblem)
	b.apply(t, fired)
	b.apply(t, fired) // in a second pipeline
	b.match(t, "slow")
	b.clock.Advance(2 * time.Second)
	require.NoError(t, b.Clear(t.Context(), "Slow", "r"))
	require.Equal(t, []string{
		"problem_counter{reason=KernelOops} 3",
		"problem_counter{reason=SlowIO} 1",
		"problem_counter{reason=TaskHung} 1",
		"problem_gauge{reason=SlowIO,type=Slow} 0",
		"problem_gauge{reason=TaskHung,type=Deadlock} 1",
	}, scrape(t, reader))
}

func TestAReloadResetsNoMetric(t *testing.T) {
	b := newBench(t)
	reader := measured(t, b)
	b.match(t, "hung")
	changed := config()
	changed.Rules = append(changed.Rules[1:], condition.Rule{ID: "new", Condition: "Deadlock", Reason: "New"})
	require.NoError(t, b.Configure(changed))
	lines := scrape(t, reader)
	require.Contains(t, lines, "problem_counter{reason=TaskHung} 1")
	require.Contains(t, lines, "problem_counter{reason=New} 0")
	require.Contains(t, lines, "problem_gauge{reason=New,type=Deadlock} 0")
	require.NotContains(t, lines, "problem_gauge{reason=TaskHung,type=Deadlock} 0")
}

func TestAtMostOneReasonOfATypeIsShown(t *testing.T) {
	b := newBench(t)
	changed := config()
	changed.Rules = append(changed.Rules,
		condition.Rule{ID: "a", Condition: "Deadlock", Reason: "A"}, condition.Rule{ID: "b", Condition: "Deadlock", Reason: "B"})
	require.NoError(t, b.Configure(changed))
	reader := measured(t, b)
	for _, rule := range []string{"a", "b", "a"} {
		b.clock.Advance(time.Second)
		record := b.record(rule, pipeline.StateProblem)
		record.Problem.Reason = strings.ToUpper(rule)
		b.apply(t, record)
	}
	lines := scrape(t, reader)
	require.Contains(t, lines, "problem_gauge{reason=A,type=Deadlock} 0")
	require.Contains(t, lines, "problem_gauge{reason=B,type=Deadlock} 1")
}

func TestUnreportedAndObservedRulesAreInNoMetric(t *testing.T) {
	b := newBench(t)
	changed := config()
	for i := range changed.Rules {
		changed.Rules[i].Unreported = i != 2
		changed.Rules[i].Observe = i == 2
	}
	fresh := condition.NewStore(condition.Options{Clock: b.clock, Boot: pipeline.Boot{ID: pipelinetest.BootID, Start: boot}, Node: "n"})
	require.NoError(t, fresh.Configure(changed))
	reader := measured(t, &bench{Store: fresh})
	for _, rule := range []string{"hung", "slow", "oops", "oops"} {
		_, err := fresh.Apply(t.Context(), b.record(rule, pipeline.StateProblem))
		require.NoError(t, err)
	}
	require.Equal(t, pipeline.ConditionTrue, fresh.Conditions()[0].Status)
	require.Empty(t, scrape(t, reader))
}

func TestAChecksHealthyReasonIsAGaugeToo(t *testing.T) {
	b := newBench(t)
	changed := config()
	changed.Rules = append(changed.Rules, condition.Rule{ID: "ntp", Condition: "Slow", Reason: "NtpDown", Level: true})
	require.NoError(t, b.Configure(changed))
	reader := measured(t, b)
	verdict := b.record("ntp", pipeline.StateProblem)
	verdict.Problem.Reason = "NtpDown"
	verdict.Problem.Verdict = &pipeline.Verdict{Boot: pipelinetest.BootID, Start: time.Hour}
	b.apply(t, verdict)
	lines := scrape(t, reader)
	require.Contains(t, lines, "problem_gauge{reason=Fast,type=Slow} 0")
	require.Contains(t, lines, "problem_gauge{reason=NtpDown,type=Slow} 1")
	require.Contains(t, lines, "problem_counter{reason=NtpDown} 1")
}

func TestALateSeedCountsNothingTwice(t *testing.T) {
	b := newBench(t, expectSeed)
	reader := measured(t, b)
	b.match(t, "hung")
	require.NoError(t, b.Seed(t.Context(), condition.Seed{}))
	require.Contains(t, scrape(t, reader), "problem_counter{reason=TaskHung} 1")
}

func TestMetricsOfAStoreWithoutConfiguration(t *testing.T) {
	require.Empty(t, scrape(t, measured(t, &bench{Store: condition.NewStore(condition.Options{})})))
}

func TestProblemMetricsBySemanticConventions(t *testing.T) {
	b := newBench(t)
	reader := metric.NewManualReader()
	require.NoError(t, b.RegisterSemConvMetrics(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test")))
	require.Empty(t, scrape(t, reader), "nobody wants them yet")
	b.TellSemConv(true)
	b.match(t, "hung")
	status := func(conditionType, is string) (lines []string) {
		for _, one := range []string{"false", "true", "unknown"} {
			value := " 0"
			if one == is {
				value = " 1"
			}
			lines = append(lines, "k8s.node.condition.status{k8s.node.condition.status="+one+",k8s.node.condition.type="+conditionType+"}"+value)
		}
		return lines
	}
	now := scrape(t, reader)
	require.Subset(t, now, slices.Concat(status("Deadlock", "true"), status("Slow", "false"), []string{
		"otelnpd.problems{reason=KernelOops} 0", "otelnpd.problems{reason=SlowIO} 0", "otelnpd.problems{reason=TaskHung} 1",
	}))
	b.TellSemConv(false)
	require.Empty(t, scrape(t, reader))
}

// What one reading tells is of one moment, in both families.
func TestProblemMetricsAreOneCut(t *testing.T) {
	b := newBench(t)
	b.TellSemConv(true)
	npd, semconv := measured(t, b), metric.NewManualReader()
	require.NoError(t, b.RegisterSemConvMetrics(metric.NewMeterProvider(metric.WithReader(semconv)).Meter("test")))
	b.CutMetrics()
	require.Contains(t, scrape(t, npd), "problem_gauge{reason=TaskHung,type=Deadlock} 0")
	b.match(t, "hung")
	require.Contains(t, scrape(t, semconv), "k8s.node.condition.status{k8s.node.condition.status=true,k8s.node.condition.type=Deadlock} 0")
	b.CutMetrics()
	require.Contains(t, scrape(t, semconv), "k8s.node.condition.status{k8s.node.condition.status=true,k8s.node.condition.type=Deadlock} 1")
	require.Contains(t, scrape(t, npd), "problem_gauge{reason=TaskHung,type=Deadlock} 1")
}
