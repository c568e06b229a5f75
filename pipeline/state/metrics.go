package state

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Why a file was set aside.
const (
	reasonCorrupt = "corrupt"
	reasonNewer   = "newer"
)

type metrics struct {
	writes     metric.Int64Counter
	duration   metric.Float64Histogram
	size       metric.Int64Gauge
	lastWrite  metric.Float64Gauge
	isDegraded metric.Int64Gauge
	aside      metric.Int64Counter
}

// newMetrics makes
//
//	otelnpd.state.writes{outcome}
//	otelnpd.state.write.duration
//	otelnpd.state.size
//	otelnpd.state.last_write.time
//	otelnpd.state.degraded
//	otelnpd.state.set_aside{reason}
func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [6]error
	m.writes, errs[0] = meter.Int64Counter("otelnpd.state.writes", metric.WithUnit("{write}"),
		metric.WithDescription("Attempts to write the state, by how they ended; skipped: nothing had changed, stalled: a pipeline made no progress."))
	m.duration, errs[1] = meter.Float64Histogram("otelnpd.state.write.duration", metric.WithUnit("s"),
		metric.WithDescription("How long the disk took to write the state."),
		metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	m.size, errs[2] = meter.Int64Gauge("otelnpd.state.size", metric.WithUnit("By"),
		metric.WithDescription("Size of the state file that was written last."))
	m.lastWrite, errs[3] = meter.Float64Gauge("otelnpd.state.last_write.time", metric.WithUnit("s"),
		metric.WithDescription("When the state was last written, in seconds since 1970; 0: not yet."))
	m.isDegraded, errs[4] = meter.Int64Gauge("otelnpd.state.degraded",
		metric.WithDescription("1 while changes cannot be written, 0 otherwise."))
	m.aside, errs[5] = meter.Int64Counter("otelnpd.state.set_aside", metric.WithUnit("{file}"),
		metric.WithDescription("State files that could not be read and were set aside, by reason."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	m.publish()
	return m, nil
}

// publish shows everything from the start.
func (m *metrics) publish() {
	for _, outcome := range []outcome{outcomeOK, outcomeFailed, outcomeSkipped, outcomeStalled} {
		m.add(outcome, 0)
	}
	for _, reason := range []string{reasonCorrupt, reasonNewer} {
		m.addAside(reason, 0)
	}
	m.size.Record(context.Background(), 0)
	m.lastWrite.Record(context.Background(), 0)
	m.setDegraded(false)
}

func (m *metrics) count(outcome outcome) { m.add(outcome, 1) }

func (m *metrics) add(outcome outcome, n int64) {
	m.writes.Add(context.Background(), n, metric.WithAttributes(attribute.String("outcome", string(outcome))))
}

func (m *metrics) setAside(reason string) { m.addAside(reason, 1) }

func (m *metrics) addAside(reason string, n int64) {
	m.aside.Add(context.Background(), n, metric.WithAttributes(attribute.String("reason", reason)))
}

func (m *metrics) took(d time.Duration) { m.duration.Record(context.Background(), d.Seconds()) }

func (m *metrics) wrote(size int, at time.Time) {
	m.size.Record(context.Background(), int64(size))
	m.lastWrite.Record(context.Background(), float64(at.UnixMilli())/1000)
}

func (m *metrics) setDegraded(degraded bool) {
	value := int64(0)
	if degraded {
		value = 1
	}
	m.isDegraded.Record(context.Background(), value)
}
