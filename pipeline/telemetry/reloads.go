package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Reloads tells of the configuration that runs, and how the attempts to change it
// have gone. It is safe for concurrent use.
type Reloads struct {
	reloads metric.Int64Counter

	mu             sync.Mutex
	warnings       int
	ok             bool
	success, fault time.Time
}

// newReloads makes
//
//	otelnpd.config.warnings
//	otelnpd.config.reloads{outcome}: success, failure, unchanged
//	otelnpd.config.last_reload.successful: 1 or 0
//	otelnpd.config.last_reload.time{outcome}, in seconds since 1970
//
// for a configuration that was read at an instant, with so many warnings.
func newReloads(meter metric.Meter, warnings int, read time.Time) (*Reloads, error) {
	r := &Reloads{warnings: warnings, ok: true, success: read}
	var errs [4]error
	r.reloads, errs[0] = meter.Int64Counter("otelnpd.config.reloads", metric.WithUnit("{reload}"),
		metric.WithDescription("Attempts to take on a changed configuration, by outcome."))
	_, errs[1] = meter.Int64ObservableGauge("otelnpd.config.warnings", metric.WithUnit("{warning}"),
		metric.WithDescription("What the running configuration holds that works, but is probably not meant."),
		metric.WithInt64Callback(r.observe(func() int64 { return int64(r.warnings) })))
	_, errs[2] = meter.Int64ObservableGauge("otelnpd.config.last_reload.successful",
		metric.WithDescription("0 while the newest attempt to reload has failed and the configuration before goes on, else 1."),
		metric.WithInt64Callback(r.observe(r.successful)))
	_, errs[3] = meter.Float64ObservableGauge("otelnpd.config.last_reload.time", metric.WithUnit("s"),
		metric.WithDescription("When the configuration was last taken on, and when that last failed, in seconds since 1970."),
		metric.WithFloat64Callback(r.observeTimes))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of the configuration: %w", err)
	}
	for _, outcome := range []string{reloadSuccess, reloadFailure, reloadUnchanged} {
		r.count(outcome, 0)
	}
	return r, nil
}

const (
	reloadSuccess   = "success"
	reloadFailure   = "failure"
	reloadUnchanged = "unchanged"
)

// Succeeded notes a configuration that was taken on, with so many warnings.
func (r *Reloads) Succeeded(at time.Time, warnings int) {
	r.mu.Lock()
	r.ok, r.success, r.warnings = true, at, warnings
	r.mu.Unlock()
	r.count(reloadSuccess, 1)
}

// Failed notes a configuration that was refused.
func (r *Reloads) Failed(at time.Time) {
	r.mu.Lock()
	r.ok, r.fault = false, at
	r.mu.Unlock()
	r.count(reloadFailure, 1)
}

// Unchanged notes a reload that found what runs already: it is in order.
func (r *Reloads) Unchanged() {
	r.mu.Lock()
	r.ok = true
	r.mu.Unlock()
	r.count(reloadUnchanged, 1)
}

func (r *Reloads) count(outcome string, n int64) {
	r.reloads.Add(context.Background(), n, metric.WithAttributes(attribute.String("outcome", outcome)))
}

func (r *Reloads) successful() int64 {
	if r.ok {
		return 1
	}
	return 0
}

func (r *Reloads) observe(value func() int64) metric.Int64Callback {
	return func(_ context.Context, observer metric.Int64Observer) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		observer.Observe(value())
		return nil
	}
}

func (r *Reloads) observeTimes(_ context.Context, observer metric.Float64Observer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	tell := func(outcome string, at time.Time) {
		if !at.IsZero() {
			observer.Observe(float64(at.UnixMilli())/1000, metric.WithAttributes(attribute.String("outcome", outcome)))
		}
	}
	tell(reloadSuccess, r.success)
	tell(reloadFailure, r.fault)
	return nil
}
