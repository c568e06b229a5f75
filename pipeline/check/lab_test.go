package check

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// bubbleClock shows the time of a bubble of package synctest; asleep is how long the
// machine has been suspended, which no timer has seen.
type bubbleClock struct {
	began time.Time

	mu     sync.Mutex
	asleep time.Duration
}

func (c *bubbleClock) Now() pipeline.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Add(c.asleep)
	boot := time.Hour + now.Sub(c.began)
	return pipeline.Instant{Wall: now, Boot: boot, Raw: boot}
}

func (c *bubbleClock) suspend(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asleep += d
}

// lab runs a runner in a bubble.
type lab struct {
	t        *testing.T
	clock    *bubbleClock
	settings pipeline.Settings
	statuses pipelinetest.Statuses
	sink     pipelinetest.Sink
	reader   *sdkmetric.ManualReader
	runner   *Runner

	mu     sync.Mutex
	starts map[string][]time.Duration // since the lab began
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{
		t: t, clock: &bubbleClock{began: time.Now()}, reader: sdkmetric.NewManualReader(), starts: map[string][]time.Duration{},
	}
	l.settings = pipelinetest.Settings(t, "checks")
	l.settings.Clock, l.settings.Report = l.clock, l.statuses.Report
	l.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.reader)).Meter("test")
	return l
}

// start starts a runner; it is stopped with the test.
func (l *lab) start(schedule Schedule, checks ...Check) {
	l.t.Helper()
	l.make(schedule, checks...)
	require.NoError(l.t, l.runner.Start(l.t.Context()))
	l.t.Cleanup(func() { require.NoError(l.t, l.runner.Shutdown(context.Background())) })
	synctest.Wait()
}

func (l *lab) make(schedule Schedule, checks ...Check) {
	l.t.Helper()
	for i := range checks {
		l.record(&checks[i])
	}
	runner, err := NewRunner(l.settings, &l.sink, checks, schedule)
	require.NoError(l.t, err)
	l.runner = runner
}

// record notes when a check starts.
func (l *lab) record(c *Check) {
	id, run := c.ID, c.Run
	c.Run = func(ctx context.Context) Report {
		l.mu.Lock()
		l.starts[id] = append(l.starts[id], l.clock.Now().Boot-time.Hour)
		l.mu.Unlock()
		return run(ctx)
	}
}

func (l *lab) startsOf(id string) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Duration(nil), l.starts[id]...)
}

// sleep lets time pass, and all that happens in it.
func (l *lab) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// verdicts returns the problems that have come so far.
func (l *lab) verdicts() []pipeline.Problem {
	var all []pipeline.Problem
	for _, record := range l.sink.Records() {
		if record.Problem != nil {
			all = append(all, *record.Problem)
		}
	}
	return all
}

// count returns the sum of a counter over the series that have the attributes.
func (l *lab) count(name string, attributes map[string]string) int {
	l.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(l.t, l.reader.Collect(context.Background(), &all))
	sum := 0
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					if has(point.Attributes.ToSlice(), attributes) {
						sum += int(point.Value)
					}
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					if has(point.Attributes.ToSlice(), attributes) {
						sum += int(point.Count)
					}
				}
			}
		}
	}
	return sum
}

func rule(id string) condition.Rule {
	return condition.Rule{ID: id, Level: true, Condition: "Sick", Reason: "IsSick", Source: "otelnpd"}
}

// checkOf returns a check of one rule of its own name.
func checkOf(id string, interval time.Duration, run func(ctx context.Context) Report) Check {
	return Check{ID: id, Rules: []condition.Rule{rule(id)}, Interval: interval, Run: run}
}

func ok(context.Context) Report {
	return Report{Findings: []Finding{{State: pipeline.StateOK}}}
}

// takes returns a check that needs so long, whatever its context says.
func takes(d time.Duration) func(context.Context) Report {
	return func(ctx context.Context) Report {
		time.Sleep(d)
		return ok(ctx)
	}
}
