package googlecloud_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/googlecloud"
	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a Cloud Monitoring, what an agent measures, and the exporters that follow one
// another. Its time is that of the bubble it is made in.
type lab struct {
	*googlecloudtest.Server
	config   *googlecloud.Config
	settings pipeline.Settings
	statuses pipelinetest.Statuses
	log      pipelinetest.Output
	own      sdkmetric.Reader
	readings producer
	meter    metric.Meter
}

// producer reads what is measured, as the agent's own does.
type producer []sdkmetric.Reader

// Produce implements [sdkmetric.Producer].
func (p producer) Produce(ctx context.Context) (all []metricdata.ScopeMetrics, err error) {
	for _, reader := range p {
		var one metricdata.ResourceMetrics
		err = errors.Join(err, reader.Collect(ctx, &one))
		all = append(all, one.ScopeMetrics...)
	}
	return all, err
}

func newLab(t *testing.T) *lab {
	t.Helper()
	measured := sdkmetric.NewManualReader()
	l := &lab{
		Server: googlecloudtest.StartInMemory(t), config: machine(), own: sdkmetric.NewManualReader(),
		readings: producer{measured},
		meter:    sdkmetric.NewMeterProvider(sdkmetric.WithReader(measured)).Meter("npd"),
	}
	l.settings = pipelinetest.Settings(t, "googlecloud")
	l.settings.Report, l.settings.Logger = l.statuses.Report, slog.New(slog.NewTextHandler(&l.log, nil))
	l.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.own)).Meter("own")
	return l
}

// machine is a configuration that needs no metadata server.
func machine() *googlecloud.Config {
	config := googlecloud.DefaultConfig()
	config.Endpoint, config.Project, config.CustomMetricPrefix = "http://passthrough:1", "a-project-1", ""
	config.Resource = googlecloud.Resource{
		Type: googlecloud.GCEInstance, Zone: "europe-west1-b", InstanceID: "4711", InstanceName: "gke-a-pool-1",
	}
	return config
}

func (l *lab) make(t *testing.T) pipeline.Exporter {
	t.Helper()
	require.NoError(t, l.config.Validate())
	made, err := googlecloud.NewDialing(l.settings, l.config, l.readings, l.Dial)
	require.NoError(t, err)
	return made
}

func (l *lab) start(t *testing.T) pipeline.Exporter {
	t.Helper()
	made := l.make(t)
	require.NoError(t, made.Start(t.Context()))
	t.Cleanup(func() { handOver(t, made) })
	return made
}

// handOver ends an exporter as a reload does.
func handOver(t *testing.T, exporter pipeline.Exporter) {
	t.Helper()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, exporter.Shutdown(now))
}

// pass lets time pass, and all that comes of it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// counter makes a counter of the kernel's, which shows what the returned function sets.
func (l *lab) counter(t *testing.T, name string, about ...attribute.KeyValue) func(value int64) {
	t.Helper()
	var shows atomic.Int64
	shows.Store(-1)
	_, err := l.meter.Int64ObservableCounter(name, metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		if now := shows.Load(); now >= 0 {
			o.Observe(now, metric.WithAttributes(about...))
		}
		return nil
	}))
	require.NoError(t, err)
	return shows.Store
}

func (l *lab) gauge(t *testing.T, name string, value float64, about ...attribute.KeyValue) {
	t.Helper()
	_, err := l.meter.Float64ObservableGauge(name, metric.WithUnit("Byte"), metric.WithDescription("About "+name+"."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(value, metric.WithAttributes(about...))
			return nil
		}))
	require.NoError(t, err)
}

// of returns what was written of a metric type.
func (l *lab) of(metricType string) (series []*monitoringpb.TimeSeries) {
	for _, one := range l.Series() {
		if one.GetMetric().GetType() == metricType {
			series = append(series, one)
		}
	}
	return series
}

// counted returns one of the exporter's own counters, summed over the sets that have
// the attributes.
func (l *lab) counted(t *testing.T, name string, about ...attribute.KeyValue) (sum int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, l.own.Collect(t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			data, whole := one.Data.(metricdata.Sum[int64])
			if one.Name != name || !whole {
				continue
			}
			for _, point := range data.DataPoints {
				if hasAll(point.Attributes, about) {
					sum += point.Value
				}
			}
		}
	}
	return sum
}

func hasAll(set attribute.Set, about []attribute.KeyValue) bool {
	for _, one := range about {
		if value, ok := set.Value(one.Key); !ok || value != one.Value {
			return false
		}
	}
	return true
}
