package pipelinetest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
)

// ObserverUnderTest says how to run a receiver of metrics pipelines: it passes no records
// on, but makes metrics of the node.
type ObserverUnderTest struct {
	// New makes a receiver over one node, anew each time, with these meters.
	New func(t *testing.T, meters pipeline.NodeMeters) pipeline.Component
	// Metrics are some that it must tell of, of either family.
	Metrics []string
}

// CheckObserver runs the contracts that every receiver of metrics pipelines keeps.
func CheckObserver(t *testing.T, o ObserverUnderTest) {
	t.Helper()
	t.Run("stops without a start, and twice", func(t *testing.T) {
		checkStopsWithoutStart(t, o.New(t, pipeline.NodeMeters{}))
	})
	t.Run("runs without anybody who wants a family", func(t *testing.T) {
		defer leakCheck(t)()
		receiver := o.New(t, pipeline.NodeMeters{})
		start(t, receiver)
		stop(t, receiver)
	})
	t.Run("makes nothing before its start, and leaves nothing behind", func(t *testing.T) {
		defer leakCheck(t)()
		node := newNodeMetrics()
		receiver := o.New(t, node.meters)
		node.requireNone(t, "before Start")
		start(t, receiver)
		node.await(t, o.Metrics)
		stop(t, receiver)
		node.requireNone(t, "after Shutdown")
	})
	t.Run("hands its figures over", func(t *testing.T) {
		defer leakCheck(t)()
		node := newNodeMetrics()
		receiver := o.New(t, node.meters)
		start(t, receiver)
		node.await(t, o.Metrics)
		stop(t, receiver)
		next := o.New(t, node.meters)
		heir, ok := next.(pipeline.Heir)
		if !ok {
			t.Fatal("it is no pipeline.Heir: its figures would be missing after a reload, until it has read them")
		}
		heir.Inherit(receiver)
		start(t, next)
		if missing := node.missing(t, o.Metrics); len(missing) > 0 {
			t.Errorf("right after the hand-over there is nothing of %v", missing)
		}
		stop(t, next)
	})
}

// nodeMetrics are meters of both families, and what reads them.
type nodeMetrics struct {
	meters  pipeline.NodeMeters
	readers []*sdkmetric.ManualReader
}

func newNodeMetrics() *nodeMetrics {
	semconv, npd := sdkmetric.NewManualReader(), sdkmetric.NewManualReader()
	provider := func(reader sdkmetric.Reader) *sdkmetric.MeterProvider {
		return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}
	return &nodeMetrics{
		meters:  pipeline.NodeMeters{SemConv: provider(semconv).Meter("test"), NPD: provider(npd).Meter("test")},
		readers: []*sdkmetric.ManualReader{semconv, npd},
	}
}

// names are the metrics that have series.
func (n *nodeMetrics) names(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, reader := range n.readers {
		var collected metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &collected); err != nil {
			t.Fatalf("collect: %v", err)
		}
		for _, scope := range collected.ScopeMetrics {
			for _, one := range scope.Metrics {
				names[one.Name] = true
			}
		}
	}
	return names
}

func (n *nodeMetrics) requireNone(t *testing.T, when string) {
	t.Helper()
	if names := n.names(t); len(names) > 0 {
		t.Errorf("%s there is %v", when, slices.Sorted(maps.Keys(names)))
	}
}

func (n *nodeMetrics) missing(t *testing.T, wanted []string) []string {
	t.Helper()
	names := n.names(t)
	return slices.DeleteFunc(slices.Clone(wanted), func(name string) bool { return names[name] })
}

// await waits for the metrics to have series.
func (n *nodeMetrics) await(t *testing.T, wanted []string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for missing := n.missing(t, wanted); len(missing) > 0; missing = n.missing(t, wanted) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %v", missing)
		}
		time.Sleep(time.Millisecond)
	}
}
