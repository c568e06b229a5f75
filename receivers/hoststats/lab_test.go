package hoststats

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// lab is a receiver over a node that a test describes.
type lab struct {
	*Receiver
	statuses pipelinetest.Statuses
	readers  map[string]*sdkmetric.ManualReader

	mu   sync.Mutex
	node hoststat.Reading
}

// newLab makes one of both families. It reads the node as it is at that time.
func newLab(t *testing.T, configure func(*Config)) *lab {
	t.Helper()
	l := &lab{node: aNode(), readers: map[string]*sdkmetric.ManualReader{}}
	meters := pipeline.NodeMeters{NPD: l.provider("npd").Meter("test"), SemConv: l.provider("semconv").Meter("test")}
	l.Receiver = l.receiver(t, meters, configure)
	return l
}

func (l *lab) provider(family string) *sdkmetric.MeterProvider {
	reader := sdkmetric.NewManualReader()
	l.readers[family] = reader
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(25000))
}

// receiver makes one more on the same node.
func (l *lab) receiver(t *testing.T, meters pipeline.NodeMeters, configure func(*Config)) *Receiver {
	t.Helper()
	settings := pipelinetest.Settings(t, "hoststats")
	settings.Report, settings.NodeMeters = l.statuses.Report, meters
	// Own metrics are told with the others.
	settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.own())).Meter("own")
	config := DefaultConfig()
	if configure != nil {
		configure(config)
	}
	require.NoError(t, config.Validate())
	r, err := New(settings, config)
	require.NoError(t, err)
	r.node = func(context.Context) hoststat.Reading {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.node
	}
	return r
}

func (l *lab) own() *sdkmetric.ManualReader {
	reader := sdkmetric.NewManualReader()
	if l.readers == nil {
		l.readers = map[string]*sdkmetric.ManualReader{}
	}
	l.readers["own"] = reader
	return reader
}

// change changes the node; lists are copied before.
func (l *lab) change(f func(*hoststat.Reading)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	node := l.node
	node.CPU.Each = append([]hoststat.OneCPU(nil), node.CPU.Each...)
	node.Disks.Each = append([]hoststat.Disk(nil), node.Disks.Each...)
	node.FileSystems.Each = append([]hoststat.FileSystem(nil), node.FileSystems.Each...)
	node.Interfaces.Each = append([]hoststat.Interface(nil), node.Interfaces.Each...)
	f(&node)
	l.node = node
}

// shows are the series that there are, as NAME{KEY=VALUE,…} and their values.
func (l *lab) shows(t *testing.T) map[string]float64 {
	t.Helper()
	series := map[string]float64{}
	for _, one := range l.collect(t) {
		for labels, value := range pointsOf(t, one.Data) {
			key := one.Name + labels
			require.NotContains(t, series, key)
			series[key] = value
		}
	}
	return series
}

// collect reads all metrics.
func (l *lab) collect(t *testing.T) (all []metricdata.Metrics) {
	t.Helper()
	for _, reader := range l.readers {
		var collected metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &collected))
		for _, scope := range collected.ScopeMetrics {
			all = append(all, scope.Metrics...)
		}
	}
	return all
}

// pointsOf are the values of a metric by labels.
func pointsOf(t *testing.T, data metricdata.Aggregation) map[string]float64 {
	t.Helper()
	points := map[string]float64{}
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		addPoints(points, data.DataPoints)
	case metricdata.Sum[float64]:
		addPoints(points, data.DataPoints)
	case metricdata.Gauge[int64]:
		addPoints(points, data.DataPoints)
	case metricdata.Gauge[float64]:
		addPoints(points, data.DataPoints)
	default:
		t.Fatalf("unexpected %T", data)
	}
	return points
}

func addPoints[N int64 | float64](to map[string]float64, points []metricdata.DataPoint[N]) {
	for _, point := range points {
		labels := point.Attributes.Encoded(attribute.DefaultEncoder())
		if labels != "" {
			labels = "{" + labels + "}"
		}
		to[labels] = float64(point.Value)
	}
}

// aNode is a node on which all is known.
func aNode() hoststat.Reading {
	known := func(n uint64) hoststat.Amount { return hoststat.Amount{N: n, Known: true} }
	begun := time.Unix(1000, 0)
	times := func(n float64) hoststat.CPUTimes {
		return hoststat.CPUTimes{User: n, Nice: n + 1, System: n + 2, Idle: n + 3, IOWait: n + 4, IRQ: n + 5, SoftIRQ: n + 6, Steal: n + 7, Guest: n + 8, GuestNice: n + 9}
	}
	return hoststat.Reading{
		Time: begun,
		CPU: hoststat.CPU{
			Total: times(1000), Each: []hoststat.OneCPU{{Number: 0, CPUTimes: times(100)}, {Number: 2, CPUTimes: times(200)}},
			Interrupts: 1, ProcessesCreated: 2, Running: 3, Blocked: 4,
		},
		Load: hoststat.Load{One: 1.5, Five: 2.5, Fifteen: 3.5},
		Memory: hoststat.Memory{
			Total: known(1000), Free: known(100), Available: known(500), Buffers: known(50), Cached: known(250),
			Slab: known(60), SlabReclaimable: known(40), SlabUnreclaimable: known(20),
			ActiveAnon: known(11), InactiveAnon: known(12), ActiveFile: known(13), InactiveFile: known(14),
			Unevictable: known(15), Dirty: known(16), Writeback: known(17), Shmem: known(18),
			SwapTotal: known(80), SwapFree: known(60),
			HugePagesTotal: known(8), HugePagesFree: known(6), HugePagesReserved: known(1), HugePagesSurplus: known(2), HugePageSize: known(2 << 20),
		},
		Paging: hoststat.Paging{Faults: known(70), MajorFaults: known(7), SwappedIn: known(5), SwappedOut: known(6)},
		Disks: hoststat.Disks{Time: begun, Each: []hoststat.Disk{
			{
				Name: "sda", Root: true, Size: 4096, Reads: 1, Writes: 2, ReadsMerged: 3, WritesMerged: 4, ReadBytes: 512, WrittenBytes: 1024,
				ReadMillis: 1500, WriteMillis: 2500, IOMillis: 3500, WeightedMillis: 4500,
			},
			{Name: "sda1", Kind: hoststat.KindPartition, Parent: "sda", Size: 2048},
			{Name: "sda2", Kind: hoststat.KindPartition, Parent: "sda", Size: 1024},
			{Name: "loop0", Kind: hoststat.KindLoop},
		}},
		FileSystems: hoststat.FileSystems{Each: []hoststat.FileSystem{{
			Device: "/dev/sda1", Disk: "sda1", MountPoint: "/", Type: "ext4", Options: "rw,relatime",
			Total: 1000, Used: 700, Free: 300, Available: 100,
		}}},
		Interfaces: hoststat.Interfaces{Each: []hoststat.Interface{
			{Name: "lo"}, {
				Name: "eth0", RxBytes: 1, RxPackets: 2, RxErrors: 3, RxDropped: 4, RxFIFO: 5, RxFrame: 6, RxCompressed: 7, RxMulticast: 8,
				TxBytes: 9, TxPackets: 10, TxErrors: 11, TxDropped: 12, TxFIFO: 13, TxCollisions: 14, TxCarrier: 15, TxCompressed: 16,
			}, {Name: "veth12"},
		}},
		Processes:   hoststat.Processes{Count: 321},
		Uptime:      hoststat.Uptime{Seconds: 3600.75},
		System:      hoststat.System{KernelVersion: "6.1.0", OSVersion: "debian 12 (bookworm)"},
		CommandLine: hoststat.CommandLine{KTD: true, CgroupV2: true},
		Modules:     hoststat.Modules{GPU: true, Unknown: []string{"rogue", "vendor"}},
	}
}

// series is the name of one.
func series(name string, labels ...any) string {
	if len(labels) == 0 {
		return name
	}
	text := ""
	for i := 0; i < len(labels); i += 2 {
		if text != "" {
			text += ","
		}
		text += fmt.Sprintf("%v=%v", labels[i], labels[i+1])
	}
	return name + "{" + text + "}"
}
