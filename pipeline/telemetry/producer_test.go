package telemetry_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// produced are the metrics of a producer by their names.
func produced(t *testing.T, from sdkmetric.Producer) map[string]metricdata.Metrics {
	t.Helper()
	scopes, err := from.Produce(t.Context())
	require.NoError(t, err)
	metrics := map[string]metricdata.Metrics{}
	for _, scope := range scopes {
		require.NotEmpty(t, scope.Scope.Name)
		for _, one := range scope.Metrics {
			require.NotContains(t, metrics, one.Name)
			metrics[one.Name] = one
		}
	}
	return metrics
}

func TestProducerReadsFamilies(t *testing.T) {
	made, _ := newTelemetry(t)
	counter, err := made.NPDMeters().Meter("test").Int64Counter("problem_counter")
	require.NoError(t, err)
	counter.Add(t.Context(), 3)

	own := produced(t, made.Producer(telemetry.SemConv))
	require.Contains(t, own, "otelnpd.build_info")
	require.NotContains(t, own, "problem_counter")

	all := made.Producer(telemetry.SemConv, telemetry.NPD, telemetry.Process)
	require.Subset(t, slices.Collect(maps.Keys(produced(t, all))), []string{
		"otelnpd.build_info", "problem_counter", "process.cpu.time", "process.memory.usage", "process.unix.file_descriptor.count", "process.uptime",
	})
	for range 2 { // reading changes nothing
		sum, ok := produced(t, all)["problem_counter"].Data.(metricdata.Sum[int64])
		require.True(t, ok)
		require.Equal(t, metricdata.CumulativeTemporality, sum.Temporality)
		require.True(t, sum.IsMonotonic)
		require.EqualValues(t, 3, sum.DataPoints[0].Value)
	}
	_, err = made.Producer("unknown").Produce(t.Context())
	require.EqualError(t, err, `there is no family "unknown" of metrics`)
}

// Who reads, by whichever way, sees what was before a change or what is after it.
func TestNobodyReadsInTheMiddleOfAChange(t *testing.T) {
	made, _ := newTelemetry(t)
	meter := made.NPDMeters().Meter("test")
	gauge, err := meter.Int64ObservableGauge("held")
	require.NoError(t, err)
	register := func() metric.Registration {
		registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
			o.ObserveInt64(gauge, 1)
			return nil
		}, gauge)
		require.NoError(t, err)
		return registration
	}
	registered := register()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for _, seen := range []func() bool{
		func() bool {
			scopes, err := made.Producer(telemetry.NPD).Produce(context.Background())
			return err == nil && len(scopes) == 1
		},
		func() bool {
			families, err := made.Gatherer().Gather()
			return err == nil && slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "held" })
		},
	} {
		readers.Go(func() {
			for {
				if !seen() {
					t.Error("the metric was not there")
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 200 {
		made.Change(func() {
			require.NoError(t, registered.Unregister())
			registered = register()
		})
	}
	close(stop)
	readers.Wait()
}
