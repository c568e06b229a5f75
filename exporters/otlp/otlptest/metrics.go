package otlptest

import (
	"context"

	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc/metadata"
)

// metricsService is the server's service for metrics over gRPC.
type metricsService struct {
	colmetricspb.UnimplementedMetricsServiceServer
	*Server
}

// Export implements the service.
func (m metricsService) Export(ctx context.Context, content *colmetricspb.ExportMetricsServiceRequest) (*colmetricspb.ExportMetricsServiceResponse, error) {
	header, _ := metadata.FromIncomingContext(ctx)
	reply := m.take(ctx, &Request{Metrics: content, Header: header})
	if reply.GRPC != nil {
		return nil, reply.GRPC.Err()
	}
	return &colmetricspb.ExportMetricsServiceResponse{PartialSuccess: reply.PartialMetrics}, nil
}

// Find returns a metric of the request by its name; nil: there is none.
func (r *Request) Find(name string) *metricspb.Metric {
	for _, resource := range r.Metrics.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				if metric.GetName() == name {
					return metric
				}
			}
		}
	}
	return nil
}

// Readings are the accepted requests that hold metrics.
func (s *Server) Readings() (readings []*Request) {
	for _, request := range s.Requests() {
		if request.Accepted && len(request.Metrics.GetResourceMetrics()) > 0 {
			readings = append(readings, request)
		}
	}
	return readings
}
