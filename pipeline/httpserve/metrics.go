package httpserve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// metrics are
//
//	otelnpd.http.requests{exporter,code}; none: a connection that the web configuration
//	    refused
//	otelnpd.http.request.duration{exporter}, in seconds
type metrics struct {
	exporter attribute.KeyValue
	requests metric.Int64Counter
	duration metric.Float64Histogram
}

// buckets of durations, in seconds: from a page that is there to the limit of an answer.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10}

func newMetrics(id pipeline.ID, meter metric.Meter) (*metrics, error) {
	m := &metrics{exporter: attribute.String("exporter", id.String())}
	var errs [2]error
	m.requests, errs[0] = meter.Int64Counter("otelnpd.http.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests to an exporter that is asked, by the status of the answer; none: refused before they were read."))
	m.duration, errs[1] = meter.Float64Histogram("otelnpd.http.request.duration", metric.WithUnit("s"),
		metric.WithDescription("How long answers of an exporter that is asked took."), metric.WithExplicitBucketBoundaries(buckets...))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics of the requests to %s: %w", id, err)
	}
	m.count("200", 0) // a rate needs a beginning
	return m, nil
}

func (m *metrics) count(code string, n int64) {
	m.requests.Add(context.Background(), n, metric.WithAttributeSet(attribute.NewSet(m.exporter, attribute.String("code", code))))
}

// refused counts a connection that was closed at once.
func (m *metrics) refused() { m.count("none", 1) }

// observed is a handler whose answers are measured.
//
//nolint:contextcheck // counting needs no context
func (m *metrics) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		noting := &codeWriter{ResponseWriter: w, code: http.StatusOK}
		// A handler that panics is told of as well.
		defer func() {
			m.count(strconv.Itoa(noting.code), 1)
			m.duration.Record(context.Background(), time.Since(began).Seconds(), metric.WithAttributes(m.exporter))
		}()
		next.ServeHTTP(noting, r)
	})
}

// codeWriter notes the status of an answer.
type codeWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements [http.ResponseWriter].
func (w *codeWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap is for [http.ResponseController].
func (w *codeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
