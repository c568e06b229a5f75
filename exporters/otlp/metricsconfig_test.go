package otlp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
)

func TestSchedule(t *testing.T) {
	for name, tt := range map[string]struct {
		config      Metrics
		environment map[string]string
		want        schedule
		odd         []string
	}{
		"nothing": {want: schedule{interval: time.Minute, export: 30 * time.Second, temporality: Cumulative}},
		"the environment": {
			environment: map[string]string{
				"OTEL_METRIC_EXPORT_INTERVAL": "15000", "OTEL_METRIC_EXPORT_TIMEOUT": "5000",
				"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "LowMemory",
			},
			want: schedule{interval: 15 * time.Second, export: 5 * time.Second, temporality: LowMemory},
		},
		"the file goes before": {
			config:      Metrics{Interval: time.Hour, Temporality: Delta},
			environment: map[string]string{"OTEL_METRIC_EXPORT_INTERVAL": "15000", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative"},
			want:        schedule{interval: time.Hour, export: 30 * time.Second, temporality: Delta},
		},
		"what cannot be read is left out": {
			environment: map[string]string{
				"OTEL_METRIC_EXPORT_INTERVAL": "1m", "OTEL_METRIC_EXPORT_TIMEOUT": "0",
				"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "both",
			},
			want: schedule{interval: time.Minute, export: 30 * time.Second, temporality: Cumulative},
			odd:  []string{"INTERVAL", "TIMEOUT", "PREFERENCE"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, odd := resolveSchedule(&tt.config, lookup(tt.environment))
			require.Equal(t, tt.want, got)
			require.Len(t, odd, len(tt.odd))
			for i := range odd {
				require.Contains(t, odd[i], tt.odd[i])
			}
		})
	}
}

func TestTheEnvironmentOfMetrics(t *testing.T) {
	got, _, err := resolve(DefaultConfig(), collector.Metrics, lookup(map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://metrics:4318/as/it/is", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs:4318",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "1500", "OTEL_EXPORTER_OTLP_HEADERS": "b=1",
	}))
	require.NoError(t, err)
	require.Equal(t, collector.Options{
		Signal: collector.Metrics, Protocol: collector.HTTP, Endpoint: collector.Endpoint{Address: "http://metrics:4318/as/it/is"},
		Compression: collector.CompressionGzip, Timeout: 1500 * time.Millisecond, Headers: map[string]string{"a": "1"},
	}, got)

	got, _, err = resolve(&Config{Endpoint: "http://here:4318/base", Protocol: collector.HTTP}, collector.Metrics, lookup(nil))
	require.NoError(t, err)
	require.Equal(t, "http://here:4318/base/v1/metrics", got.Endpoint.Address)
}

func TestMetricsAreValidated(t *testing.T) {
	c := DefaultConfig()
	c.Metrics = Metrics{Interval: 1, Temporality: "x", Config: metricfilter.Config{Include: []string{""}}}
	require.EqualError(t, c.Validate(), `metrics.interval: 1ns is out of bounds: write a duration from 1s to 1h0m0s
metrics.temporality: "x" is unknown: write one of cumulative, delta, lowmemory
metrics.include[0]: is empty: write the name of a metric, in which * stands for any text`)
}

func TestGoogle(t *testing.T) {
	for protocol, want := range map[collector.Protocol]string{
		collector.GRPC: "dns:///telemetry.googleapis.com:443", collector.HTTP: "https://telemetry.googleapis.com/v1/metrics",
	} {
		for _, endpoint := range []string{"", "https://telemetry.googleapis.com"} {
			got, _, err := resolve(&Config{Auth: AuthGoogle, Protocol: protocol, Endpoint: endpoint}, collector.Metrics, lookup(nil))
			require.NoError(t, err)
			require.Equal(t, collector.Endpoint{Secure: true, Address: want}, got.Endpoint)
		}
	}
	require.ErrorContains(t, (&Config{Auth: AuthGoogle, Endpoint: "http://127.0.0.1:4317"}).Validate(), "auth: is google, and the endpoint is without TLS")
	require.ErrorContains(t, (&Config{Auth: AuthGoogle, Endpoint: "gateway:4317", TLS: collector.TLS{Insecure: true}}).Validate(), "auth: is google, and the endpoint is without TLS")
	require.ErrorContains(t, (&Config{Auth: AuthGoogle, Headers: map[string]string{"Authorization": "x"}}).Validate(), "auth: is google, and headers has an authorization")
	require.ErrorContains(t, (&Config{Auth: "aws"}).Validate(), `auth: "aws" is unknown: write one of google`)
	require.NoError(t, (&Config{Auth: AuthGoogle}).Validate())
	require.Nil(t, (&Config{}).authorizer())
}
