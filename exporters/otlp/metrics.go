package otlp

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/pipeline"
)

// The reasons for which the exporter drops records, beside the outbox's own.
const (
	// reasonRefused counts records that the Collector refuses, and would refuse again.
	reasonRefused = "refused"
	// reasonRejected counts records that the Collector has left out of a request that
	// it has accepted otherwise.
	reasonRejected = "rejected"
	// reasonMisdirected counts records that nobody took for as long as an hour, since
	// the Collector is spoken to in a way that it does not take.
	reasonMisdirected = "misdirected"
	// reasonLinesFull counts raw lines for which there was no room. They have a room of
	// their own, and problems never wait for them.
	reasonLinesFull = "lines_full"
	// reasonUnreadable counts records that were kept and cannot be read.
	reasonUnreadable = "unreadable"
)

// metrics are
//
//	otelnpd.otlp.requests{exporter,signal,code}
//	otelnpd.otlp.request.duration{exporter,signal,code}, in seconds
//	otelnpd.otlp.sent_data_points{exporter}
//	otelnpd.otlp.dropped_data_points{exporter,reason}: refused, rejected
type metrics struct {
	exporter attribute.KeyValue
	requests metric.Int64Counter
	duration metric.Float64Histogram
	sent     metric.Int64Counter
	dropped  metric.Int64Counter
}

// buckets of durations, in seconds: from a Collector close by to the timeout of a
// request.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

func newMetrics(id pipeline.ID, meter metric.Meter) (*metrics, error) {
	m := &metrics{exporter: attribute.String("exporter", id.String())}
	var errs [4]error
	m.requests, errs[0] = meter.Int64Counter("otelnpd.otlp.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests sent to an OTLP receiver, by signal and the code of the answer."))
	m.duration, errs[1] = meter.Float64Histogram("otelnpd.otlp.request.duration", metric.WithUnit("s"),
		metric.WithDescription("How long requests to an OTLP receiver took."), metric.WithExplicitBucketBoundaries(buckets...))
	m.sent, errs[2] = meter.Int64Counter("otelnpd.otlp.sent_data_points", metric.WithUnit("{data_point}"),
		metric.WithDescription("Data points of metrics that an OTLP receiver has accepted."))
	m.dropped, errs[3] = meter.Int64Counter("otelnpd.otlp.dropped_data_points", metric.WithUnit("{data_point}"),
		metric.WithDescription("Data points of metrics that an OTLP receiver did not take, by reason."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of the requests of %s: %w", id, err)
	}
	return m, nil
}

// observe counts a request.
func (m *metrics) observe(request collector.Request) {
	with := metric.WithAttributeSet(attribute.NewSet(
		m.exporter, attribute.String("signal", request.Signal.String()), attribute.String("code", request.Code)))
	m.requests.Add(context.Background(), 1, with)
	m.duration.Record(context.Background(), request.Duration.Seconds(), with)
}

// countPoints makes the counts of data points appear.
func (m *metrics) countPoints() {
	ctx := context.Background()
	m.sendPoints(ctx, 0)
	m.dropPoints(ctx, reasonRefused, 0)
	m.dropPoints(ctx, reasonRejected, 0)
}

func (m *metrics) sendPoints(ctx context.Context, n int) {
	m.sent.Add(ctx, int64(n), metric.WithAttributeSet(attribute.NewSet(m.exporter)))
}

func (m *metrics) dropPoints(ctx context.Context, reason string, n int) {
	m.dropped.Add(ctx, int64(n), metric.WithAttributeSet(attribute.NewSet(m.exporter, attribute.String("reason", reason))))
}
