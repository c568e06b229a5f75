package hoststats

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// npdTable is node-problem-detector's own: kind, unit, and the labels with how many
// values each has on the node of the lab.
const npdTable = `
cpu/load_15m gauge 1
cpu/load_1m gauge 1
cpu/load_5m gauge 1
cpu/runnable_task_count gauge 1
cpu/usage_time counter s state=guest,guest_nice,idle,iowait,irq,nice,softirq,steal,system,user
disk/avg_queue_len gauge 1 device_name=sda,sda1
disk/bytes_used gauge Byte device_name=sda1 fs_type=ext4 mount_option=rw,relatime state=free,used
disk/io_time counter ms device_name=sda,sda1
disk/merged_operation_count counter 1 device_name=sda,sda1 direction=read,write
disk/operation_bytes_count counter 1 device_name=sda,sda1 direction=read,write
disk/operation_count counter 1 device_name=sda,sda1 direction=read,write
disk/operation_time counter ms device_name=sda,sda1 direction=read,write
disk/percent_used gauge % device_name=sda1
disk/weighted_io counter ms device_name=sda,sda1
host/uptime gauge s kernel_version=6.1.0 os_version=debian 12 (bookworm)
memory/anonymous_used gauge Byte state=active,inactive
memory/bytes_used gauge Byte state=buffered,cached,free,slab,used
memory/dirty_used gauge Byte state=dirty,writeback
memory/page_cache_used gauge Byte state=active,inactive
memory/percent_used gauge % state=used
memory/unevictable_used gauge Byte
net/rx_bytes counter 1 interface_name=eth0,lo
net/rx_compressed counter 1 interface_name=eth0,lo
net/rx_dropped counter 1 interface_name=eth0,lo
net/rx_errors counter 1 interface_name=eth0,lo
net/rx_fifo counter 1 interface_name=eth0,lo
net/rx_frame counter 1 interface_name=eth0,lo
net/rx_multicast counter 1 interface_name=eth0,lo
net/rx_packets counter 1 interface_name=eth0,lo
net/tx_bytes counter 1 interface_name=eth0,lo
net/tx_carrier counter 1 interface_name=eth0,lo
net/tx_collisions counter 1 interface_name=eth0,lo
net/tx_compressed counter 1 interface_name=eth0,lo
net/tx_dropped counter 1 interface_name=eth0,lo
net/tx_errors counter 1 interface_name=eth0,lo
net/tx_fifo counter 1 interface_name=eth0,lo
net/tx_packets counter 1 interface_name=eth0,lo
system/cpu_stat counter s cpu=cpu0,cpu2 stage=guest,guestNice,iRQ,idle,iowait,nice,softIRQ,steal,system,user
system/interrupts_total counter 1
system/os_feature gauge 1 os_feature=GPUSupport,KTD,KernelModuleIntegrity,UnifiedCgroupHierarchy,UnknownModules value=,rogue,vendor
system/processes_total counter 1
system/procs_blocked gauge 1
system/procs_running gauge 1
`

// semconvTable is that of the semantic conventions 1.43 (model/system/metrics.yaml,
// model/k8s/metrics.yaml): kind, type, unit, attributes.
const semconvTable = `
k8s.node.uptime gauge real s
system.cpu.logical.count upDownCounter whole {cpu}
system.cpu.time counter real s cpu.mode=idle,interrupt,iowait,nice,steal,system,user
system.cpu.utilization gauge real 1 cpu.mode=idle,interrupt,iowait,nice,steal,system,user
system.disk.io counter whole By disk.io.direction=read,write system.device=sda,sda1
system.disk.io_time counter real s system.device=sda,sda1
system.disk.limit upDownCounter whole By system.device=sda,sda1
system.disk.merged counter whole {operation} disk.io.direction=read,write system.device=sda,sda1
system.disk.operation_time counter real s disk.io.direction=read,write system.device=sda,sda1
system.disk.operations counter whole {operation} disk.io.direction=read,write system.device=sda,sda1
system.filesystem.limit upDownCounter whole By system.device=/dev/sda1 system.filesystem.mode=rw system.filesystem.mountpoint=/ system.filesystem.type=ext4
system.filesystem.usage upDownCounter whole By system.device=/dev/sda1 system.filesystem.mode=rw system.filesystem.mountpoint=/ system.filesystem.state=free,reserved,used system.filesystem.type=ext4
system.filesystem.utilization gauge real 1 system.device=/dev/sda1 system.filesystem.mode=rw system.filesystem.mountpoint=/ system.filesystem.state=free,reserved,used system.filesystem.type=ext4
system.memory.limit upDownCounter whole By
system.memory.linux.available upDownCounter whole By
system.memory.linux.hugepages.limit upDownCounter whole {page}
system.memory.linux.hugepages.page_size upDownCounter whole By
system.memory.linux.hugepages.reserved upDownCounter whole {page}
system.memory.linux.hugepages.surplus upDownCounter whole {page}
system.memory.linux.hugepages.usage upDownCounter whole {page} system.memory.linux.hugepages.state=free,used
system.memory.linux.hugepages.utilization gauge real 1 system.memory.linux.hugepages.state=free,used
system.memory.linux.shared upDownCounter whole By
system.memory.linux.slab.usage upDownCounter whole By system.memory.linux.slab.state=reclaimable,unreclaimable
system.memory.usage upDownCounter whole By system.memory.state=buffers,cached,free,used
system.memory.utilization gauge real 1 system.memory.state=buffers,cached,free,used
system.network.errors counter whole {error} network.interface.name=eth0,lo network.io.direction=receive,transmit
system.network.io counter whole By network.interface.name=eth0,lo network.io.direction=receive,transmit
system.network.packet.count counter whole {packet} network.io.direction=receive,transmit system.device=eth0,lo
system.network.packet.dropped counter whole {packet} network.interface.name=eth0,lo network.io.direction=receive,transmit
system.paging.faults counter whole {fault} system.paging.fault.type=major,minor
system.paging.operations counter whole {operation} system.paging.direction=in,out
system.paging.usage upDownCounter whole By system.paging.state=free,used
system.paging.utilization gauge real 1 system.paging.state=free,used
system.process.count upDownCounter whole {process}
system.process.created counter whole {process}
system.uptime gauge real s
`

// later lets a minute pass on the node.
func later(n *hoststat.Reading) {
	n.Disks.Time = n.Disks.Time.Add(time.Minute)
	n.CPU.Total.Idle += 60
}

func TestTables(t *testing.T) {
	for family, table := range map[string]string{"npd": npdTable, "semconv": semconvTable} {
		t.Run(family, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				next := l.run(t)
				l.change(later)
				next()
				l.readers = map[string]*sdkmetric.ManualReader{family: l.readers[family]}
				var lines []string
				for _, one := range l.collect(t) {
					require.NotEmpty(t, one.Description)
					lines = append(lines, describe(t, one, family == "semconv"))
				}
				slices.Sort(lines)
				require.Equal(t, strings.TrimSpace(table), strings.Join(lines, "\n"))
			})
		})
	}
}

// describe is a line of a table.
func describe(t *testing.T, m metricdata.Metrics, withType bool) string {
	t.Helper()
	kind, number, sets := "gauge", "real", []attribute.Set(nil)
	sum := func(monotonic bool, temporality metricdata.Temporality) {
		require.Equal(t, metricdata.CumulativeTemporality, temporality)
		kind = map[bool]string{true: "counter", false: "upDownCounter"}[monotonic]
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		number, sets = "whole", setsOf(data.DataPoints)
		sum(data.IsMonotonic, data.Temporality)
	case metricdata.Sum[float64]:
		sets = setsOf(data.DataPoints)
		sum(data.IsMonotonic, data.Temporality)
	case metricdata.Gauge[int64]:
		number, sets = "whole", setsOf(data.DataPoints)
	case metricdata.Gauge[float64]:
		sets = setsOf(data.DataPoints)
	default:
		t.Fatalf("unexpected %T", data)
	}
	words := []string{m.Name, kind, m.Unit}
	if withType {
		words = []string{m.Name, kind, number, m.Unit}
	}
	return strings.Join(append(words, labelsOf(sets)...), " ")
}

func setsOf[N int64 | float64](points []metricdata.DataPoint[N]) (sets []attribute.Set) {
	for _, point := range points {
		sets = append(sets, point.Attributes)
	}
	return sets
}

// labelsOf are the keys of some sets, with all values that they have.
func labelsOf(sets []attribute.Set) (labels []string) {
	values := map[string]map[string]bool{}
	for _, set := range sets {
		for _, label := range set.ToSlice() {
			if values[string(label.Key)] == nil {
				values[string(label.Key)] = map[string]bool{}
			}
			values[string(label.Key)][label.Value.String()] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		labels = append(labels, key+"="+strings.Join(slices.Sorted(maps.Keys(values[key])), ","))
	}
	return labels
}

// The figures of the node of the lab, where they are not told as they are.
func TestFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.run(t)
		shown := l.shows(t)
		for name, want := range map[string]float64{
			series("cpu/usage_time", "state", "guest_nice"):                      1009,
			series("system/cpu_stat", "cpu", "cpu2", "stage", "softIRQ"):         206,
			series("system.cpu.time", "cpu.mode", "interrupt"):                   1005 + 1006,
			"system.cpu.logical.count":                                           2,
			series("memory/bytes_used", "state", "used"):                         1000 - 100 - 50 - 250 - 60,
			series("memory/percent_used", "state", "used"):                       54,
			series("system.memory.usage", "system.memory.state", "used"):         1000 - 100 - 50 - 250,
			series("system.memory.utilization", "system.memory.state", "cached"): 0.25,
			series("system.paging.usage", "system.paging.state", "used"):         20,
			series("system.paging.faults", "system.paging.fault.type", "minor"):  63,
			series("disk/percent_used", "device_name", "sda1"):                   87.5, // as df
			series("disk/io_time", "device_name", "sda"):                         3500,
			series("system.disk.io_time", "system.device", "sda"):                3.5,
			series("system.disk.limit", "system.device", "sda"):                  4096,
			"host/uptime{kernel_version=6.1.0,os_version=debian 12 (bookworm)}":  3600,
			"system.uptime": 3600.75,
			series("system/os_feature", "os_feature", "UnknownModules", "value", `rogue\,vendor`):              1,
			series("system/os_feature", "os_feature", "UnifiedCgroupHierarchy", "value", ""):                   1,
			series("system/os_feature", "os_feature", "KernelModuleIntegrity", "value", ""):                    0,
			series("net/tx_compressed", "interface_name", "eth0"):                                              16,
			series("system.network.packet.count", "network.io.direction", "transmit", "system.device", "eth0"): 10,
		} {
			got, there := shown[name]
			require.True(t, there, name)
			require.InDelta(t, want, got, 1e-9, name)
		}
	})
}

// All states of a file system, and of the memory, add up to the whole.
func TestStatesAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.run(t)
		sums := map[string]float64{}
		for name, value := range l.shows(t) {
			family, _, _ := strings.Cut(name, "{")
			sums[family] += value
		}
		require.InDelta(t, sums["system.memory.limit"], sums["system.memory.usage"], 0)
		require.InDelta(t, 1, sums["system.memory.utilization"], 1e-9)
		require.InDelta(t, sums["system.filesystem.limit"], sums["system.filesystem.usage"], 0)
		require.InDelta(t, 1, sums["system.filesystem.utilization"], 1e-9)
	})
}

// A kernel that has nothing but what every kernel has.
func TestPoorKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.change(func(n *hoststat.Reading) {
			n.Memory = hoststat.Memory{Total: hoststat.Amount{N: 100, Known: true}, Free: hoststat.Amount{N: 90, Known: true}}
			n.Paging = hoststat.Paging{}
		})
		l.run(t)
		shown := l.shows(t)
		require.InDelta(t, 10, shown[series("memory/percent_used", "state", "used")], 0)
		for name := range shown {
			require.False(t, strings.HasPrefix(name, "system.paging.") || strings.Contains(name, "hugepages") || strings.Contains(name, "slab"), name)
		}
	})
}

// Names of devices and mount points may be any bytes.
func TestHostileNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.change(func(n *hoststat.Reading) {
			n.FileSystems.Each[0].MountPoint = "/\xff" + strings.Repeat("x", 10_000)
			n.Interfaces.Each[1].Name = "eth\xfe"
		})
		l.run(t)
		for name := range l.shows(t) {
			require.Less(t, len(name), 3*maxLabel)
			require.NotContains(t, name, "\xff")
			require.NotContains(t, name, "\xfe")
		}
	})
}

func TestReadmeHasAllMetrics(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, d := range concat(npdDefinitions(), semconvDefinitions(false)) {
		require.Contains(t, string(readme), fmt.Sprintf("`%s`", d.name))
	}
}
