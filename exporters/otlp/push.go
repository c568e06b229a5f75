package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/logrecord"
	"github.com/otelnpd/otelnpd/exporters/otlp/metricpoint"
)

const (
	// partPoints is how many data points are sent at a time, some 150 bytes each: well
	// below the 4 MiB that a Collector takes by default over gRPC.
	partPoints = 4096
	// maxParts bounds the requests of one reading: of parts that are refused halves are
	// sent, until the metric is found that it is about.
	maxParts = 32
)

// pusher reads the metrics and sends them, once an interval. They are state: what could
// not be sent is not kept, but read anew for the next try. Its run has it alone.
type pusher struct {
	producer sdkmetric.Producer
	client   *collector.Client
	about    func(context.Context) (*resourcepb.Resource, error)
	resource *resourcepb.Resource // what about has returned
	schedule schedule
	deltas   *metricpoint.Deltas // nil: what counts is sent as it is read
	logger   *slog.Logger
	status   *status
	measured *metrics

	closing chan struct{} // closed when the exporter shuts down
	// leaves tells, once closing is closed, that another one goes on: nothing is sent at
	// the end.
	leaves atomic.Bool
	ended  chan struct{} // closed when run has ended

	backoff backoff
	// due is when metrics are next to be sent.
	due time.Time
	// asks tells that nobody took metrics of late, for a reason that does not pass by
	// itself: whether that has changed is asked by an empty request.
	asks bool
	// told is what was logged last, so that it is not again at each interval.
	told string
}

// run sends until the exporter shuts down, and a last time then, or until ctx ends.
func (p *pusher) run(ctx context.Context) {
	defer close(p.ended)
	var err error
	if p.resource, err = p.about(ctx); err != nil {
		return
	}
	for p.wait(ctx) {
		p.turn(ctx)
	}
	if ctx.Err() == nil && !p.leaves.Load() {
		_ = p.push(ctx) // there is no other try
	}
}

// wait waits until metrics are due, and tells whether they are to be sent.
func (p *pusher) wait(ctx context.Context) bool {
	timer := time.NewTimer(time.Until(p.due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-p.closing:
	}
	return false
}

// turn sends the metrics and says when to do so next.
func (p *pusher) turn(ctx context.Context) {
	err := p.push(ctx)
	now := time.Now()
	switch {
	case err == nil:
		p.backoff.reset()
		p.due = following(p.due, p.schedule.interval, now)
	case kindOf(err) == collector.Again:
		p.due = now.Add(p.backoff.next(retryAfter(err)))
	default:
		p.due = now.Add(min(p.schedule.interval, longestRetry))
	}
}

// following is the next beat after now of a clock that had one at due.
func following(due time.Time, interval time.Duration, now time.Time) time.Time {
	missed := max(now.Sub(due), 0) / interval
	return due.Add((missed + 1) * interval)
}

// push reads the metrics and sends them once. An error is one after which to try again.
func (p *pusher) push(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.schedule.export, errTooLong{p.schedule.export})
	defer cancel()
	if p.asks {
		if _, err := p.client.ExportMetrics(ctx, &colmetricspb.ExportMetricsServiceRequest{}); err != nil {
			return p.heard(ctx, err)
		}
	}
	read, err := p.producer.Produce(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return p.heard(ctx, cause)
	}
	if err != nil {
		p.tell(ctx, slog.LevelWarn, "some metrics cannot be read", "error", err)
	} else if p.deltas != nil {
		p.deltas.Forget(read)
	}
	d := delivery{pusher: p, left: maxParts}
	for _, part := range metricpoint.Split(read, partPoints) {
		if err := d.deliver(ctx, part); err != nil {
			return p.heard(ctx, err)
		}
	}
	_ = p.heard(ctx, d.refusal) // what is refused would be refused again: there is no other try
	return nil
}

type errTooLong struct{ after time.Duration }

func (e errTooLong) Error() string { return fmt.Sprintf("not read and sent within %s", e.after) }

// heard takes note of an answer, unless it is the exporter that ended the wait for it.
func (p *pusher) heard(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == context.Canceled { //nolint:errorlint // a cause is itself
		return err
	}
	p.status.answered(collector.Metrics, err)
	p.asks = err != nil && kindOf(err) == collector.Misdirected
	return err
}

// tell logs what is not the same as before.
func (p *pusher) tell(ctx context.Context, level slog.Level, what string, with ...any) {
	if text := fmt.Sprint(append([]any{what}, with...)...); text != p.told {
		p.told = text
		p.logger.Log(ctx, level, what, with...)
	}
}

// request makes a request of metrics.
func (p *pusher) request(read []metricdata.ScopeMetrics) *colmetricspb.ExportMetricsServiceRequest {
	return &colmetricspb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource: p.resource, SchemaUrl: logrecord.SchemaURL, ScopeMetrics: metricpoint.Scopes(read),
	}}}
}

// inherit goes on where the one before has come to, which has ended.
func (p *pusher) inherit(from *pusher) {
	if p.deltas != nil && from.deltas != nil {
		p.deltas.Inherit(from.deltas)
	}
	p.told = from.told
	if latest := time.Now().Add(p.schedule.interval); from.due.Before(latest) {
		p.due = from.due
	}
}

// delivery is that of one reading.
type delivery struct {
	*pusher

	left    int   // how many more requests there may be
	refusal error // of a part, the last
}

// deliver sends a part. Of one that is refused its halves are sent. An error is one
// about no part in particular.
func (d *delivery) deliver(ctx context.Context, part []metricdata.ScopeMetrics) error {
	content := part
	if d.deltas != nil {
		content = d.deltas.Of(part)
	}
	points := metricpoint.Count(content)
	if points == 0 {
		return nil
	}
	d.left--
	answer, err := d.client.ExportMetrics(ctx, d.request(content))
	if err == nil {
		d.taken(ctx, part, points, answer)
		return nil
	}
	if kind := kindOf(err); kind != collector.Refused && kind != collector.Exhausted {
		return err
	}
	if first, second, several := metricpoint.Halves(part); several && d.left > 0 {
		if err := d.deliver(ctx, first); err != nil {
			return err
		}
		return d.deliver(ctx, second)
	}
	d.refusal = err
	d.measured.dropPoints(ctx, reasonRefused, points)
	d.tell(ctx, slog.LevelError, "the Collector refuses metrics", "first", part[0].Metrics[0].Name, "error", err)
	return nil
}

// taken takes note of a part that the Collector has taken, but for what it tells.
func (d *delivery) taken(ctx context.Context, part []metricdata.ScopeMetrics, points int, answer collector.Answer) {
	if d.deltas != nil {
		d.deltas.Taken(part)
	}
	rejected := int(max(0, min(answer.Rejected, int64(points))))
	d.measured.sendPoints(ctx, points-rejected)
	d.measured.dropPoints(ctx, reasonRejected, rejected)
	switch {
	case rejected > 0:
		d.tell(ctx, slog.LevelError, "the Collector has rejected data points", "rejected", rejected, "sent", points, "message", answer.Message)
	case answer.Message != "":
		d.tell(ctx, slog.LevelWarn, "the Collector has accepted metrics with a warning", "sent", points, "message", answer.Message)
	}
}
