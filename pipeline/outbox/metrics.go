package outbox

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// New returns an empty outbox for an exporter, bounded to maxBytes, that counts
// by the exporter's meter
//
//	otelnpd.exporter.sent_records{exporter}
//	otelnpd.exporter.dropped_records{exporter,reason}
//	otelnpd.exporter.queue_length{exporter}
//	otelnpd.exporter.queue_size{exporter}, in bytes
//
// reasons are those for which the exporter itself drops records, beside the
// outbox's own: they are published from the start, as zero.
func New[T any](id pipeline.ID, meter metric.Meter, maxBytes int, reasons ...string) (*Outbox[T], error) {
	m, err := newMetrics(id, meter, append([]string{ReasonFull, ReasonTooLarge, ReasonShutdown}, reasons...))
	if err != nil {
		return nil, fmt.Errorf("make the metrics of the outbox of %s: %w", id, err)
	}
	return &Outbox[T]{
		maxBytes: maxBytes, metrics: m, full: ReasonFull, taken: map[uint64]Entry[T]{},
		changed: make(chan struct{}, 1), freed: make(chan struct{}, 1), onChange: func() {},
	}, nil
}

type metrics struct {
	*Gauge

	exporter attribute.KeyValue
	sent     metric.Int64Counter
	dropped  metric.Int64Counter
}

func newMetrics(id pipeline.ID, meter metric.Meter, reasons []string) (*metrics, error) {
	m := &metrics{exporter: attribute.String("exporter", id.String())}
	var errs [3]error
	m.sent, errs[0] = meter.Int64Counter("otelnpd.exporter.sent_records", metric.WithUnit("{record}"),
		metric.WithDescription("Records that an exporter has delivered."))
	m.dropped, errs[1] = meter.Int64Counter("otelnpd.exporter.dropped_records", metric.WithUnit("{record}"),
		metric.WithDescription("Records that an exporter had to drop, by reason."))
	m.Gauge, errs[2] = NewGauge(id, meter)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for _, reason := range reasons {
		m.drop(reason, 0)
	}
	m.sent.Add(context.Background(), 0, m.only...)
	return m, nil
}

// Gauge shows how full an exporter's queue is, for exporters that keep one of
// their own. It is safe for concurrent use.
type Gauge struct {
	length metric.Int64UpDownCounter
	size   metric.Int64UpDownCounter
	only   []metric.AddOption // the exporter as the only attribute
}

// NewGauge returns the gauge of an empty queue, by the exporter's meter:
//
//	otelnpd.exporter.queue_length{exporter}
//	otelnpd.exporter.queue_size{exporter}, in bytes
func NewGauge(id pipeline.ID, meter metric.Meter) (*Gauge, error) {
	g := &Gauge{only: []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("exporter", id.String())))}}
	var errs [2]error
	g.length, errs[0] = meter.Int64UpDownCounter("otelnpd.exporter.queue_length", metric.WithUnit("{record}"),
		metric.WithDescription("Records in an exporter's outbox."))
	g.size, errs[1] = meter.Int64UpDownCounter("otelnpd.exporter.queue_size", metric.WithUnit("By"),
		metric.WithDescription("Bytes in an exporter's outbox."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	g.Add(0, 0)
	return g, nil
}

// Add notes that the queue holds so many records and bytes more, or less.
func (g *Gauge) Add(records, bytes int) {
	g.length.Add(context.Background(), int64(records), g.only...)
	g.size.Add(context.Background(), int64(bytes), g.only...)
}

func (m *metrics) send(n int) {
	m.sent.Add(context.Background(), int64(n), m.only...)
}

func (m *metrics) drop(reason string, n int) {
	m.dropped.Add(context.Background(), int64(n), metric.WithAttributes(m.exporter, attribute.String("reason", reason)))
}
