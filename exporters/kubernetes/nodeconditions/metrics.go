package nodeconditions

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// metrics are
//
//	otelnpd.kubernetes.seeded{exporter}           1 once the store has the Node's conditions
//	otelnpd.kubernetes.last_patch.time{exporter}  when the Node last took a patch, Unix time in seconds; 0: never
//
// They are observed, and only from the start of a patcher to its end: a gauge that is
// set once would stand on when its exporter is no more, and that of a successor, made
// but not yet started, would hide that of its predecessor. A successor takes them over
// as they are, so that no scrape finds them missing or twice.
type metrics struct {
	meter     metric.Meter
	seeded    metric.Int64ObservableGauge
	lastPatch metric.Float64ObservableGauge
	only      metric.ObserveOption // the exporter as the only attribute

	isSeeded  atomic.Bool
	patchedAt atomic.Int64 // Unix time in milliseconds

	shown metric.Registration // nil: they are not shown
}

func newMetrics(id pipeline.ID, meter metric.Meter) (*metrics, error) {
	m := &metrics{meter: meter, only: metric.WithAttributeSet(attribute.NewSet(attribute.String("exporter", id.String())))}
	var errs [2]error
	m.seeded, errs[0] = meter.Int64ObservableGauge("otelnpd.kubernetes.seeded",
		metric.WithDescription("Whether the Node's own conditions have been taken over."))
	m.lastPatch, errs[1] = meter.Float64ObservableGauge("otelnpd.kubernetes.last_patch.time", metric.WithUnit("s"),
		metric.WithDescription("When the Node last accepted the conditions, as Unix time; 0: never."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of the Node's conditions: %w", err)
	}
	return m, nil
}

// publish begins to show them, if they are not shown already.
func (m *metrics) publish() (err error) {
	if m.shown == nil {
		m.shown, err = m.meter.RegisterCallback(m.observe, m.seeded, m.lastPatch)
	}
	return err
}

// hide ends that.
func (m *metrics) hide() {
	if m.shown != nil {
		_ = m.shown.Unregister() // the SDK's never fails
		m.shown = nil
	}
}

func (m *metrics) observe(_ context.Context, to metric.Observer) error {
	var seeded int64
	if m.isSeeded.Load() {
		seeded = 1
	}
	to.ObserveInt64(m.seeded, seeded, m.only)
	to.ObserveFloat64(m.lastPatch, float64(m.patchedAt.Load())/1000, m.only)
	return nil
}

func (m *metrics) noteSeeded() { m.isSeeded.Store(true) }

func (m *metrics) notePatched(at time.Time) { m.patchedAt.Store(at.UnixMilli()) }
