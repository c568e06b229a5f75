package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Why a run was skipped: the one before it was still running, or still waiting for
// its turn; or the machine was asleep, or too busy.
const (
	skippedRunning = "running"
	skippedWaiting = "waiting"
	skippedLate    = "late"
)

// Why a run has told nothing: it panicked, it has not ended after its timeout, the
// pipelines were shutting down.
const (
	failedPanic   = "panic"
	failedOverdue = "overdue"
	failedRefused = "refused"
)

// What was wrong with a finding.
const (
	mendedUnknownRule = "unknown_rule" // left out
	mendedTooMany     = "too_many"     // all further ones of the run are left out
	mendedTwice       = "twice"        // the worse of two counts
	mendedInstance    = "instance_cut"
	mendedMessage     = "message_cut"
	mendedCharacters  = "characters" // that are no text, or steer a terminal
)

// metrics are
//
//	otelnpd.check.duration{receiver,check}, in seconds
//	otelnpd.check.start_delay{receiver}, in seconds
//	otelnpd.check.runs{receiver,check,result}
//	otelnpd.check.skipped_runs{receiver,reason}
//	otelnpd.check.failed_runs{receiver,reason}
//	otelnpd.check.mended_findings{receiver,reason}
type metrics struct {
	receiver attribute.KeyValue
	delayed  metric.MeasurementOption

	duration, delay        metric.Float64Histogram
	runs                   metric.Int64Counter
	skipped, failed, mends pipeline.ReasonCounter
}

// The buckets are in seconds: of durations from a look into /proc to a minute, of
// delays from none to a schedule that is not kept.
var (
	durationBuckets = []float64{0.001, 0.01, 0.1, 0.5, 1, 5, 10, 60}
	delayBuckets    = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30}
)

func newMetrics(settings pipeline.Settings) (*metrics, error) {
	m := &metrics{receiver: attribute.String("receiver", settings.ID.String())}
	m.delayed = metric.WithAttributeSet(attribute.NewSet(m.receiver))
	var errs [6]error
	m.duration, errs[0] = settings.Meter.Float64Histogram("otelnpd.check.duration", metric.WithUnit("s"),
		metric.WithDescription("How long the runs of a check took."), metric.WithExplicitBucketBoundaries(durationBuckets...))
	m.delay, errs[1] = settings.Meter.Float64Histogram("otelnpd.check.start_delay", metric.WithUnit("s"),
		metric.WithDescription("How long after they were due the runs of checks began."), metric.WithExplicitBucketBoundaries(delayBuckets...))
	m.runs, errs[2] = settings.Meter.Int64Counter("otelnpd.check.runs", metric.WithUnit("{run}"),
		metric.WithDescription("Runs of a check that have ended, by the worst that they found."))
	m.skipped, errs[3] = pipeline.NewReasonCounter(settings, "otelnpd.check.skipped_runs", "{run}",
		"Runs of checks that were due and did not take place, by reason.", skippedRunning, skippedWaiting, skippedLate)
	m.failed, errs[4] = pipeline.NewReasonCounter(settings, "otelnpd.check.failed_runs", "{run}",
		"Runs of checks of which nothing, or no more than unknown, could be told, by reason.", failedPanic, failedOverdue, failedRefused)
	m.mends, errs[5] = pipeline.NewReasonCounter(settings, "otelnpd.check.mended_findings", "{finding}",
		"Findings of checks that could not be passed on as they were, by reason.",
		mendedUnknownRule, mendedTooMany, mendedTwice, mendedInstance, mendedMessage, mendedCharacters)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of the checks of %s: %w", settings.ID, err)
	}
	return m, nil
}

// attributes are those of one check.
type attributes struct {
	check   metric.MeasurementOption
	results map[pipeline.State]metric.MeasurementOption
}

func (m *metrics) of(check string) attributes {
	name := attribute.String("check", check)
	a := attributes{
		check:   metric.WithAttributeSet(attribute.NewSet(m.receiver, name)),
		results: map[pipeline.State]metric.MeasurementOption{},
	}
	for _, state := range []pipeline.State{pipeline.StateUnknown, pipeline.StateOK, pipeline.StateProblem} {
		a.results[state] = metric.WithAttributeSet(attribute.NewSet(m.receiver, name, attribute.String("result", state.String())))
	}
	return a
}

func (m *metrics) begin(ctx context.Context, delay time.Duration) {
	m.delay.Record(ctx, max(0, delay).Seconds(), m.delayed)
}

func (m *metrics) end(ctx context.Context, one *run, result pipeline.State) {
	m.duration.Record(ctx, (one.ended.Boot - one.started.Boot).Seconds(), one.attributes.check)
	m.runs.Add(ctx, 1, one.results[result])
}

func (m *metrics) skip(ctx context.Context, reason string, n uint64) {
	if n > 0 {
		m.skipped.Add(ctx, reason, n)
	}
}

func (m *metrics) fail(ctx context.Context, reason string) { m.failed.Add(ctx, reason, 1) }

func (m *metrics) mend(ctx context.Context, reason string) { m.mends.Add(ctx, reason, 1) }
