package state

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are otelnpd.state.*.
type metrics struct {
	writes   metric.Int64Counter
	duration metric.Float64Histogram
	by       map[outcome]metric.MeasurementOption

	size     atomic.Int64
	written  atomic.Int64 // ms since 1970; 0: never
	degraded atomic.Int64
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{by: map[outcome]metric.MeasurementOption{}}
	var errs [5]error
	m.writes, errs[0] = meter.Int64Counter("otelnpd.state.writes", metric.WithUnit("{write}"),
		metric.WithDescription("Writes of the state file, by outcome; skipped: nothing was different."))
	m.duration, errs[1] = meter.Float64Histogram("otelnpd.state.write.duration", metric.WithUnit("s"),
		metric.WithDescription("How long it took to capture, encode and write the state."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	_, errs[2] = meter.Int64ObservableGauge("otelnpd.state.size", metric.WithUnit("By"),
		metric.WithDescription("Size of the state file as it was written last."), observe(m.size.Load))
	_, errs[3] = meter.Int64ObservableGauge("otelnpd.state.degraded",
		metric.WithDescription("1 while the state cannot be written, else 0."), observe(m.degraded.Load))
	_, errs[4] = meter.Float64ObservableGauge("otelnpd.state.last_write.time", metric.WithUnit("s"),
		metric.WithDescription("When the state was last written, in seconds since 1970."),
		metric.WithFloat64Callback(func(_ context.Context, observer metric.Float64Observer) error {
			if at := m.written.Load(); at != 0 {
				observer.Observe(float64(at) / 1000)
			}
			return nil
		}))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of the state: %w", err)
	}
	for _, one := range []outcome{outcomeOK, outcomeFailed, outcomeSkipped} {
		m.by[one] = metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", string(one))))
		m.writes.Add(context.Background(), 0, m.by[one])
	}
	return m, nil
}

func observe(value func() int64) metric.Int64ObservableGaugeOption {
	return metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
		observer.Observe(value())
		return nil
	})
}

func (m *metrics) note(what outcome, took time.Duration, size int) {
	m.writes.Add(context.Background(), 1, m.by[what])
	if what == outcomeSkipped {
		return
	}
	m.duration.Record(context.Background(), took.Seconds())
	if what == outcomeOK {
		m.size.Store(int64(size))
		m.written.Store(time.Now().UnixMilli())
	}
}

func (m *metrics) setDegraded(is bool) {
	m.degraded.Store(0)
	if is {
		m.degraded.Store(1)
	}
}
