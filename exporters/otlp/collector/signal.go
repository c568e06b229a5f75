package collector

import (
	"context"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// Signal is what is sent.
type Signal uint8

// The signals.
const (
	Logs Signal = iota
	Metrics
)

// String returns logs or metrics.
func (s Signal) String() string { return [...]string{"logs", "metrics"}[min(s, Metrics)] }

// path is where a Collector takes a signal by HTTP.
func (s Signal) path() string { return "/v1/" + s.String() }

// pipeline says what a Collector needs to take a signal.
func (s Signal) pipeline() string {
	if s == Metrics {
		return "a pipeline for metrics, or take this exporter out of service.pipelines.metrics"
	}
	return "a pipeline for logs"
}

// call is a request and where to put what it answers.
type call struct {
	options           Options
	method            string // of gRPC
	request, response proto.Message
}

// Export sends records; a request without any asks whether the Collector answers. The
// error is an [*Error].
func (c *Client) Export(ctx context.Context, request *collogspb.ExportLogsServiceRequest) (Answer, error) {
	response := &collogspb.ExportLogsServiceResponse{}
	if err := c.send(ctx, call{method: collogspb.LogsService_Export_FullMethodName, request: request, response: response}); err != nil {
		return Answer{}, err
	}
	partial := response.GetPartialSuccess()
	return Answer{Rejected: partial.GetRejectedLogRecords(), Message: quote(partial.GetErrorMessage())}, nil
}

// ExportMetrics sends metrics; a request without any asks whether the Collector takes
// them. The error is an [*Error].
func (c *Client) ExportMetrics(ctx context.Context, request *colmetricspb.ExportMetricsServiceRequest) (Answer, error) {
	response := &colmetricspb.ExportMetricsServiceResponse{}
	if err := c.send(ctx, call{method: colmetricspb.MetricsService_Export_FullMethodName, request: request, response: response}); err != nil {
		return Answer{}, err
	}
	partial := response.GetPartialSuccess()
	return Answer{Rejected: partial.GetRejectedDataPoints(), Message: quote(partial.GetErrorMessage())}, nil
}
