package outbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// figures reads all metrics, as NAME or NAME/REASON.
func figures(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var read metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &read))
	figures := map[string]int64{}
	for _, scope := range read.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			require.True(t, ok, "%s is no sum", m.Name)
			for _, point := range sum.DataPoints {
				exporter, _ := point.Attributes.Value("exporter")
				require.Equal(t, attribute.StringValue("kubernetes/2"), exporter)
				name := m.Name
				if reason, ok := point.Attributes.Value("reason"); ok {
					name += "/" + reason.AsString()
				}
				figures[name] = point.Value
			}
		}
	}
	return figures
}

func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	box, err := outbox.New[string](pipeline.ID{Type: "kubernetes", Name: "2"}, meter, 3*weight, "forbidden")
	require.NoError(t, err)
	require.Equal(t, map[string]int64{
		"otelnpd.exporter.sent_records": 0, "otelnpd.exporter.queue_length": 0, "otelnpd.exporter.queue_size": 0,
		"otelnpd.exporter.dropped_records/outbox_full": 0, "otelnpd.exporter.dropped_records/too_large": 0,
		"otelnpd.exporter.dropped_records/shutdown": 0, "otelnpd.exporter.dropped_records/forbidden": 0,
	}, figures(t, reader), "what is known from the start is published from the start")

	put(t, box, info, "i1", "i2", "i3", "i4")
	_, err = box.Put(outbox.Entry[string]{Size: 4 * weight})
	require.NoError(t, err)
	batch, err := box.Next(t.Context(), 2*payload)
	require.NoError(t, err)
	batch.Split(1).Done()
	require.Equal(t, map[string]int64{
		"otelnpd.exporter.sent_records": 1, "otelnpd.exporter.queue_length": 2, "otelnpd.exporter.queue_size": 2 * weight,
		"otelnpd.exporter.dropped_records/outbox_full": 1, "otelnpd.exporter.dropped_records/too_large": 1,
		"otelnpd.exporter.dropped_records/shutdown": 0, "otelnpd.exporter.dropped_records/forbidden": 0,
	}, figures(t, reader))

	batch.Drop("forbidden")
	box.Discard(outbox.ReasonShutdown)
	require.Equal(t, map[string]int64{
		"otelnpd.exporter.sent_records": 1, "otelnpd.exporter.queue_length": 0, "otelnpd.exporter.queue_size": 0,
		"otelnpd.exporter.dropped_records/outbox_full": 1, "otelnpd.exporter.dropped_records/too_large": 1,
		"otelnpd.exporter.dropped_records/shutdown": 1, "otelnpd.exporter.dropped_records/forbidden": 1,
	}, figures(t, reader), "every record is sent, dropped for a reason, or still there")
}

func TestGauge(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	gauge, err := outbox.NewGauge(pipeline.ID{Type: "kubernetes", Name: "2"}, meter)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"otelnpd.exporter.queue_length": 0, "otelnpd.exporter.queue_size": 0}, figures(t, reader))
	gauge.Add(3, 300)
	gauge.Add(-1, -100)
	require.Equal(t, map[string]int64{"otelnpd.exporter.queue_length": 2, "otelnpd.exporter.queue_size": 200}, figures(t, reader))
}
