package googlecloud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc/codes"

	"github.com/otelnpd/otelnpd/pipeline"
)

// metrics are
//
//	otelnpd.googlecloud.requests{exporter,code}
//	otelnpd.googlecloud.export.duration{exporter}, in seconds
//	otelnpd.googlecloud.written_points{exporter}
//	otelnpd.googlecloud.failed_points{exporter,reason}
//	otelnpd.googlecloud.dropped_metrics{exporter,reason}
type metrics struct {
	exporter                           attribute.KeyValue
	requests, written, failed, dropped metric.Int64Counter
	duration                           metric.Float64Histogram
}

// buckets of durations, in seconds: from a server close by to the longest export.
var buckets = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

func newMetrics(id pipeline.ID, meter metric.Meter) (*metrics, error) {
	m := &metrics{exporter: attribute.String("exporter", id.String())}
	var errs [5]error
	m.requests, errs[0] = meter.Int64Counter("otelnpd.googlecloud.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests to Cloud Monitoring, by the code of the answer."))
	m.written, errs[1] = meter.Int64Counter("otelnpd.googlecloud.written_points", metric.WithUnit("{point}"),
		metric.WithDescription("Points that Cloud Monitoring has written."))
	m.failed, errs[2] = meter.Int64Counter("otelnpd.googlecloud.failed_points", metric.WithUnit("{point}"),
		metric.WithDescription("Points that Cloud Monitoring has not written, by the code that says why."))
	m.dropped, errs[3] = meter.Int64Counter("otelnpd.googlecloud.dropped_metrics", metric.WithUnit("{metric}"),
		metric.WithDescription("Metrics that are not written to Cloud Monitoring at all, each counted once, by reason."))
	m.duration, errs[4] = meter.Float64Histogram("otelnpd.googlecloud.export.duration", metric.WithUnit("s"),
		metric.WithDescription("How long it took to write all metrics to Cloud Monitoring."), metric.WithExplicitBucketBoundaries(buckets...))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of %s: %w", id, err)
	}
	return m, nil
}

func (m *metrics) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(more, m.exporter)...))
}

func (m *metrics) requested(code codes.Code) {
	m.requests.Add(context.Background(), 1, m.with(attribute.String("code", code.String())))
}

func (m *metrics) exported(o *outcome, took time.Duration) {
	ctx := context.Background()
	m.duration.Record(ctx, took.Seconds(), m.with())
	m.written.Add(ctx, o.written, m.with())
	for code, points := range o.failed {
		m.failed.Add(ctx, points, m.with(attribute.String("reason", code.String())))
	}
}

func (m *metrics) left(reason string) {
	m.dropped.Add(context.Background(), 1, m.with(attribute.String("reason", reason)))
}
