package nodeconditions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// metrics are
//
//	otelnpd.kubernetes.seeded{exporter}           1 once the store has the Node's conditions
//	otelnpd.kubernetes.last_patch.time{exporter}  when the Node last took a patch, Unix time in seconds; 0: never
type metrics struct {
	seeded    metric.Int64Gauge
	lastPatch metric.Float64Gauge
	only      metric.MeasurementOption // the exporter as the only attribute
}

func newMetrics(id pipeline.ID, meter metric.Meter) (metrics, error) {
	m := metrics{only: metric.WithAttributeSet(attribute.NewSet(attribute.String("exporter", id.String())))}
	var errs [2]error
	m.seeded, errs[0] = meter.Int64Gauge("otelnpd.kubernetes.seeded",
		metric.WithDescription("Whether the Node's own conditions have been taken over."))
	m.lastPatch, errs[1] = meter.Float64Gauge("otelnpd.kubernetes.last_patch.time", metric.WithUnit("s"),
		metric.WithDescription("When the Node last accepted the conditions, as Unix time; 0: never."))
	if err := errors.Join(errs[:]...); err != nil {
		return metrics{}, fmt.Errorf("make the metrics of the Node's conditions: %w", err)
	}
	m.seeded.Record(context.Background(), 0, m.only)
	m.lastPatch.Record(context.Background(), 0, m.only)
	return m, nil
}

func (m *metrics) noteSeeded() { m.seeded.Record(context.Background(), 1, m.only) }

func (m *metrics) notePatched(at time.Time) {
	m.lastPatch.Record(context.Background(), float64(at.UnixMilli())/1000, m.only)
}
