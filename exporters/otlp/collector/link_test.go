package collector_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
)

func metricsRequest() *colmetricspb.ExportMetricsServiceRequest {
	return &colmetricspb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{{Name: "m"}}}},
	}}}
}

// beside is the options of metrics for the receiver of those of logs.
func beside(t *testing.T, options collector.Options, server *otlptest.Server) collector.Options {
	t.Helper()
	address := server.GRPC
	if options.Protocol == collector.HTTP {
		address = server.HTTP
	}
	var err error
	options.Signal = collector.Metrics
	options.Endpoint, err = collector.Metrics.ParseEndpoint(options.Protocol, "http://"+address, false, false)
	require.NoError(t, err)
	return options
}

func bothProtocols(t *testing.T, f func(t *testing.T, protocol collector.Protocol)) {
	t.Helper()
	for _, protocol := range []collector.Protocol{collector.GRPC, collector.HTTP} {
		t.Run(string(protocol), func(t *testing.T) { f(t, protocol) })
	}
}

func TestPartialSuccessOfMetrics(t *testing.T) {
	bothProtocols(t, func(t *testing.T, protocol collector.Protocol) {
		t.Helper()
		server := otlptest.Start(t, nil)
		server.Answer(func(*otlptest.Request) otlptest.Reply {
			return otlptest.Reply{PartialMetrics: &colmetricspb.ExportMetricsPartialSuccess{RejectedDataPoints: 3, ErrorMessage: "too \x1bold"}}
		})
		answer, err := newClient(t, beside(t, optionsFor(t, protocol, server, "http"), server)).ExportMetrics(t.Context(), metricsRequest())
		require.NoError(t, err)
		require.Equal(t, collector.Answer{Rejected: 3, Message: `too \x1bold`}, answer)
		require.NotNil(t, server.Requests()[0].Find("m"))
	})
}

// TestAFailureOfOneSignalLeavesTheOtherAlone: what the other has under way is answered,
// though the connection is not used again.
func TestAFailureOfOneSignalLeavesTheOtherAlone(t *testing.T) {
	bothProtocols(t, func(t *testing.T, protocol collector.Protocol) {
		t.Helper()
		server := otlptest.Start(t, nil)
		held := make(chan struct{})
		server.Answer(func(r *otlptest.Request) otlptest.Reply {
			if r.Metrics != nil {
				return otlptest.Reply{Hold: held}
			}
			return otlptest.Reply{GRPC: status.New(codes.Unavailable, "later"), HTTP: 503}
		})
		options := optionsFor(t, protocol, server, "http")
		options.Timeout = 20 * time.Second
		logs := newClient(t, options)
		metrics := logs.Beside(beside(t, options, server))
		sent := make(chan error, 1)
		go func() {
			_, err := metrics.ExportMetrics(t.Context(), metricsRequest())
			sent <- err
		}()
		server.WaitFor(t, "metrics", func(requests []*otlptest.Request) bool { return len(requests) == 1 })
		for range 3 {
			_, err := logs.Export(t.Context(), request("a"))
			require.Error(t, err)
		}
		close(held)
		require.NoError(t, <-sent)
		server.Answer(nil)
		_, err := logs.Export(t.Context(), request("a"))
		require.NoError(t, err)
		logs.Close()
	})
}

func TestSignalsForDifferentPlaces(t *testing.T) {
	one, other := otlptest.Start(t, nil), otlptest.Start(t, nil)
	logs := newClient(t, optionsFor(t, collector.GRPC, one, "http"))
	metrics := logs.Beside(beside(t, optionsFor(t, collector.GRPC, other, "http"), other))
	defer metrics.Close()
	_, err := logs.Export(t.Context(), request("a"))
	require.NoError(t, err)
	_, err = metrics.ExportMetrics(t.Context(), metricsRequest())
	require.NoError(t, err)
	require.Len(t, one.Requests(), 1)
	require.Len(t, other.Requests(), 1)
	require.NotNil(t, other.Requests()[0].Metrics)
}

func TestWhatAReceiverWithoutTheSignalAnswers(t *testing.T) {
	bothProtocols(t, func(t *testing.T, protocol collector.Protocol) {
		t.Helper()
		server := otlptest.Start(t, nil)
		server.Answer(func(*otlptest.Request) otlptest.Reply {
			return otlptest.Reply{GRPC: status.New(codes.Unimplemented, "unknown service"), HTTP: 404}
		})
		_, err := newClient(t, beside(t, optionsFor(t, protocol, server, "http"), server)).ExportMetrics(t.Context(), metricsRequest())
		require.Equal(t, collector.Misdirected, failure(t, err).Kind)
		require.Contains(t, failure(t, err).Remedy, "a pipeline for metrics")
	})
}
