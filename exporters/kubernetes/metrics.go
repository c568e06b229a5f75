package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

// metrics are
//
//	otelnpd.kubernetes.requests{exporter,verb,resource,code}
//	otelnpd.kubernetes.request.duration{exporter,verb,resource,code}, in seconds
type metrics struct {
	exporter attribute.KeyValue
	requests metric.Int64Counter
	duration metric.Float64Histogram
}

// buckets of durations, in seconds: from a server close by to the timeout of a
// request.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15}

func newMetrics(id pipeline.ID, meter metric.Meter) (*metrics, error) {
	m := &metrics{exporter: attribute.String("exporter", id.String())}
	var errs [2]error
	m.requests, errs[0] = meter.Int64Counter("otelnpd.kubernetes.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests sent to kube-apiserver, by the status of the answer."))
	m.duration, errs[1] = meter.Float64Histogram("otelnpd.kubernetes.request.duration", metric.WithUnit("s"),
		metric.WithDescription("How long requests to kube-apiserver took."), metric.WithExplicitBucketBoundaries(buckets...))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of the requests of %s: %w", id, err)
	}
	return m, nil
}

// observe counts a request.
func (m *metrics) observe(request apiserver.Request) {
	with := metric.WithAttributeSet(attribute.NewSet(m.exporter, attribute.String("verb", request.Verb),
		attribute.String("resource", request.Resource), attribute.String("code", codeName(request.Code))))
	m.requests.Add(context.Background(), 1, with)
	m.duration.Record(context.Background(), request.Duration.Seconds(), with)
}

// codeName is an HTTP status as an attribute: those that kube-apiserver is known
// to give, and classes of all others, so that there are few series whatever
// answers.
func codeName(code int) string {
	switch code {
	case 0:
		return "none"
	case 200, 201, 400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 504:
		return strconv.Itoa(code)
	default:
		return strconv.Itoa(min(code/100, 9)) + "xx"
	}
}
