package hoststats

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// run starts a lab's receiver, and lets a test go through its intervals: next waits
// for one more reading.
func (l *lab) run(t *testing.T) (next func()) {
	t.Helper()
	require.NoError(t, l.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, l.Shutdown(t.Context())) })
	synctest.Wait()
	return func() {
		time.Sleep(l.interval)
		synctest.Wait()
	}
}

func TestReadsAtOnceAndThenAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		next := l.run(t)
		eth0 := series("net/rx_bytes", "interface_name", "eth0")
		require.InDelta(t, 1, l.shows(t)[eth0], 0)
		l.change(func(n *hoststat.Reading) { n.Interfaces.Each[1].RxBytes = 100 })
		require.InDelta(t, 1, l.shows(t)[eth0], 0, "nothing is read for those who collect")
		next()
		require.InDelta(t, 100, l.shows(t)[eth0], 0)
		require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
	})
}

// A disk or interface that is gone is not told of any more, and goes on when it is back.
func TestThingsVanish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		next := l.run(t)
		bytes := series("system.network.io", "network.interface.name", "eth0", "network.io.direction", "receive")
		before := l.shows(t)
		require.Contains(t, before, bytes)
		l.change(func(n *hoststat.Reading) {
			n.Interfaces.Each, n.Disks.Each, n.FileSystems.Each = n.Interfaces.Each[:1], n.Disks.Each[2:], nil
			n.CPU.Each = n.CPU.Each[:1]
		})
		next()
		for name := range l.shows(t) {
			for _, gone := range []string{"eth0", "sda", "mountpoint", "fs_type", "cpu2"} {
				require.NotContains(t, name, gone)
			}
		}
		l.change(func(n *hoststat.Reading) { *n = aNode() })
		l.change(func(n *hoststat.Reading) { n.Interfaces.Each[1].RxBytes = 0 })
		next()
		require.InDelta(t, before[bytes], l.shows(t)[bytes], 0, "it began anew at 0")
	})
}

// What cannot be read is missing, without what it said before; all else goes on.
func TestPartsThatFail(t *testing.T) {
	broken := errors.New("it is broken")
	for _, one := range []struct {
		part   string
		breaks func(*hoststat.Reading)
		gone   []string // prefixes
	}{
		{"cpu", func(n *hoststat.Reading) { n.CPU = hoststat.CPU{Err: broken} }, []string{
			"cpu/usage_time", "system/cpu_stat", "system/processes_total", "system/interrupts_total", "system/procs_", "system.cpu.", "system.process.created",
		}},
		{"load", func(n *hoststat.Reading) { n.Load = hoststat.Load{Err: broken} }, []string{"cpu/load_", "cpu/runnable_task_count"}},
		{"memory", func(n *hoststat.Reading) { n.Memory = hoststat.Memory{Err: broken} }, []string{"memory/", "system.memory.", "system.paging.usage", "system.paging.utilization"}},
		{"paging", func(n *hoststat.Reading) { n.Paging = hoststat.Paging{Err: broken} }, []string{"system.paging.faults", "system.paging.operations"}},
		{"disks", func(n *hoststat.Reading) { n.Disks = hoststat.Disks{Err: broken} }, []string{
			"disk/io", "disk/weighted", "disk/avg", "disk/operation", "disk/merged", "system.disk.",
		}},
		{"filesystems", func(n *hoststat.Reading) { n.FileSystems.Each = []hoststat.FileSystem{{MountPoint: "/", Err: broken}} }, []string{
			"system.filesystem.", "disk/bytes_used", "disk/percent_used",
		}},
		{"interfaces", func(n *hoststat.Reading) { n.Interfaces = hoststat.Interfaces{Err: broken} }, []string{"net/", "system.network."}},
		{"processes", func(n *hoststat.Reading) { n.Processes.Err = broken }, []string{"system.process.count"}},
		{"uptime", func(n *hoststat.Reading) { n.Uptime.Err = broken }, []string{"host/uptime", "system.uptime", "k8s.node.uptime"}},
		{"command_line", func(n *hoststat.Reading) { n.CommandLine.Err = broken }, []string{
			"system/os_feature{os_feature=KTD", "system/os_feature{os_feature=Unified", "system/os_feature{os_feature=Kernel",
		}},
		{"modules", func(n *hoststat.Reading) { n.Modules.Err = broken }, []string{"system/os_feature{os_feature=GPU", "system/os_feature{os_feature=Unknown"}},
	} {
		t.Run(one.part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(c *Config) { c.Disk.Devices = []DeviceKind{DevicesWhole} })
				next := l.run(t)
				before := l.shows(t)
				l.change(one.breaks)
				next()
				after := l.shows(t)
				for name := range before {
					isGone := false
					for _, prefix := range one.gone {
						isGone = isGone || strings.HasPrefix(name, prefix)
					}
					_, there := after[name]
					require.Equal(t, isGone, !there, name)
				}
				status := l.statuses.Last()
				require.Equal(t, pipeline.ComponentDegraded, status.State)
				require.Contains(t, status.Reason, "some figures of the node are missing ("+one.part+"): ")
				require.ErrorIs(t, status.Err, broken)
				require.NotEmpty(t, status.Remedy)
				require.InDelta(t, 1, after[series("otelnpd.hoststats.unread", "part", one.part, "receiver", "hoststats")], 0)

				l.change(func(n *hoststat.Reading) { *n = aNode() })
				next()
				require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
				recovered := l.shows(t)
				for name, value := range before {
					if !strings.HasPrefix(name, "otelnpd.") {
						require.InDelta(t, value, recovered[name], 0, name)
					}
				}
			})
		})
	}
}

func TestRemedies(t *testing.T) {
	require.Contains(t, remedy(errors.Join(errors.New("x"), hostview.NewBlind("it is a container", "mount /proc"))), "mount /proc")
	require.Contains(t, remedy(fs.ErrPermission), "run as root")
	require.Contains(t, remedy(errors.New("x")), "look at the error")
}

// A kernel without loadable modules is well.
func TestKernelWithoutModules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.node.Modules = hoststat.Modules{Err: fs.ErrNotExist}
		l.run(t)
		require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
		require.NotContains(t, l.shows(t), series("system/os_feature", "os_feature", "GPUSupport", "value", ""))
	})
}

// A reading that is not followed by another one is not told of for ever.
func TestReadingsGrowOld(t *testing.T) {
	l := newLab(t, nil)
	clock := pipelinetest.NewClock(pipeline.Instant{Boot: time.Hour})
	l.settings.Clock = clock
	for i := range l.sides {
		require.NoError(t, l.register(&l.sides[i]))
	}
	defer func() { require.NoError(t, l.unregister()) }()
	l.read(t.Context())
	clock.Advance(3 * l.interval)
	require.Contains(t, l.shows(t), "cpu/load_1m")
	clock.Advance(time.Second)
	require.NotContains(t, l.shows(t), "cpu/load_1m")
}

func TestUtilization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) { c.CPU.LogicalNumbers = true })
		next := l.run(t)
		user := series("system.cpu.utilization", "cpu.logical_number", 0, "cpu.mode", "user")
		require.NotContains(t, l.shows(t), user, "one reading tells nothing of it")
		grow := func(cpu *hoststat.CPUTimes) { cpu.User, cpu.Idle = cpu.User+15, cpu.Idle+45 }
		l.change(func(n *hoststat.Reading) { grow(&n.CPU.Each[0].CPUTimes) })
		next()
		shown := l.shows(t)
		require.InDelta(t, 0.25, shown[user], 1e-9)
		require.NotContains(t, shown, series("system.cpu.utilization", "cpu.logical_number", 2, "cpu.mode", "user"), "no time has passed for it")
		l.change(func(n *hoststat.Reading) { n.CPU.Each[0].CPUTimes = hoststat.CPUTimes{User: 1} })
		next()
		require.NotContains(t, l.shows(t), user, "it has begun anew")
		l.change(func(n *hoststat.Reading) { grow(&n.CPU.Each[0].CPUTimes) })
		next()
		require.InDelta(t, 0.25, l.shows(t)[user], 1e-9)
	})
}

func TestQueueLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		next := l.run(t)
		queue := series("disk/avg_queue_len", "device_name", "sda")
		later := func(weighted uint64) {
			l.change(func(n *hoststat.Reading) {
				n.Disks.Time = n.Disks.Time.Add(time.Minute)
				n.Disks.Each[0].WeightedMillis = weighted
			})
			next()
		}
		require.NotContains(t, l.shows(t), queue)
		later(4500 + 150_000)
		require.InDelta(t, 2.5, l.shows(t)[queue], 1e-9)
		later(10)
		require.NotContains(t, l.shows(t), queue, "it has begun anew")
		later(10 + 60_000)
		require.InDelta(t, 1, l.shows(t)[queue], 1e-9)
	})
}

func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *Config) {
			c.CPU.MaxCPUs, c.Disk.MaxDevices, c.Filesystem.MaxMounts, c.Network.MaxInterfaces = 1, 1, 1, 1
			c.Disk.Devices = nil
		})
		l.change(func(n *hoststat.Reading) {
			n.FileSystems.Each = append(n.FileSystems.Each, hoststat.FileSystem{MountPoint: "/var"}, hoststat.FileSystem{MountPoint: "/x", Err: errors.New("x")})
		})
		next := l.run(t)
		next()
		shown := l.shows(t)
		for kind, cut := range map[string]float64{"cpu": 1, "disk": 3, "filesystem": 1, "interface": 1} {
			require.InDelta(t, 2*cut, shown[series("otelnpd.hoststats.cut", "kind", kind, "receiver", "hoststats")], 0, kind)
		}
		require.Contains(t, shown, series("net/rx_bytes", "interface_name", "lo"))
		require.NotContains(t, shown, series("net/rx_bytes", "interface_name", "eth0"))
		require.NotContains(t, shown, series("net/rx_bytes", "interface_name", "veth12"), "it is not wanted at all")
	})
}

func TestSelections(t *testing.T) {
	disks := func(configure func(*DiskConfig)) (names []string) {
		config := DefaultConfig()
		configure(&config.Disk)
		d, err := newDigester(config, families{}, func(string, int) {})
		require.NoError(t, err)
		for _, disk := range d.digest(aNode(), 0).disks {
			names = append(names, disk.Name)
		}
		return names
	}
	require.Equal(t, []string{"sda", "sda1"}, disks(func(*DiskConfig) {}))
	require.Equal(t, []string{"sda"}, disks(func(c *DiskConfig) { c.Devices = []DeviceKind{DevicesWhole} }))
	require.Equal(t, []string{"sda1"}, disks(func(c *DiskConfig) { c.Devices = []DeviceKind{DevicesMounted} }))
	require.Equal(t, []string{"sda", "sda1", "sda2", "loop0"}, disks(func(c *DiskConfig) { c.Devices = nil }))
	require.Equal(t, []string{"sda2"}, disks(func(c *DiskConfig) { c.Devices, c.Include = nil, []string{"sda?"}; c.Exclude = []string{"~1$"} }))
}

func TestContracts(t *testing.T) {
	pipelinetest.CheckObserver(t, pipelinetest.ObserverUnderTest{
		New: func(t *testing.T, meters pipeline.NodeMeters) pipeline.Component {
			t.Helper()
			l := &lab{node: aNode()}
			return l.receiver(t, meters, nil)
		},
		Metrics: []string{"cpu/load_1m", "net/rx_bytes", "system.cpu.time", "system.filesystem.usage", "system.disk.io"},
	})
}

// A successor with another configuration leaves out at once what it does not want, and
// goes on with the counters.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		require.NoError(t, l.Start(t.Context()))
		synctest.Wait()
		meters := pipeline.NodeMeters{}
		for i, side := range l.sides {
			if i == 0 {
				meters.NPD = side.meter
			} else {
				meters.SemConv = side.meter
			}
		}
		before := l.shows(t)
		require.NoError(t, l.Shutdown(t.Context()))
		require.NotContains(t, l.shows(t), "cpu/load_1m")

		next := l.receiver(t, meters, func(c *Config) {
			c.Network.Exclude, c.Memory.Enabled = []string{"lo"}, false
			c.NPD.Names = map[string]string{"cpu/load_1m": "node/load"}
		})
		release := make(chan struct{})
		letGo := sync.OnceFunc(func() { close(release) })
		node := next.node
		next.node = func(ctx context.Context) hoststat.Reading { <-release; return node(ctx) }
		next.Inherit(l.Receiver)
		require.NoError(t, next.Start(t.Context()))
		defer func() {
			letGo() // also where the test fails
			require.NoError(t, next.Shutdown(t.Context()))
		}()
		shown := l.shows(t)
		require.InDelta(t, before["cpu/load_1m"], shown["node/load"], 0)
		require.Contains(t, shown, series("net/rx_bytes", "interface_name", "eth0"))
		for name := range shown {
			require.NotRegexp(t, `=lo[,}]`, name)
			require.False(t, strings.HasPrefix(name, "memory/") || strings.HasPrefix(name, "system.memory."), name)
		}
		require.NotContains(t, shown, "cpu/load_1m")
		l.change(func(n *hoststat.Reading) { n.Interfaces.Each[1].RxBytes = 0 })
		letGo()
		synctest.Wait()
		eth0 := series("net/rx_bytes", "interface_name", "eth0")
		require.InDelta(t, before[eth0], l.shows(t)[eth0], 0)
	})
}

// Names that differ in what no label can hold are one, of which the first is told: their
// counters would look as if they began anew at each reading.
func TestThingsOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.change(func(n *hoststat.Reading) {
			n.Interfaces.Each = []hoststat.Interface{{Name: "a\ufffdb", RxBytes: 50}, {Name: "a\ufffdb", RxBytes: 30}}
			n.Disks.Each = append(n.Disks.Each, n.Disks.Each[0])
			n.Disks.Each[len(n.Disks.Each)-1].Reads = 0
		})
		l.run(t)
		for range 3 {
			shown := l.shows(t)
			require.InDelta(t, 50, shown[series("net/rx_bytes", "interface_name", "a\ufffdb")], 0)
			require.InDelta(t, 1, shown[series("system.disk.operations", "disk.io.direction", "read", "system.device", "sda")], 0)
			time.Sleep(DefaultConfig().Interval)
			synctest.Wait()
		}
	})
}

// A reading that hangs in the kernel holds up neither a reload nor the end.
func TestReadingThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meters := pipeline.NodeMeters{NPD: sdkmetric.NewMeterProvider().Meter("test")}
		l := &lab{node: aNode()}
		hangs := make(chan struct{})
		handOver, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, ctx := range []context.Context{handOver, late} {
			r := l.receiver(t, meters, nil)
			r.node = func(context.Context) hoststat.Reading { <-hangs; return aNode() }
			require.NoError(t, r.Start(t.Context()))
			synctest.Wait()
			require.ErrorIs(t, r.Shutdown(ctx), errHangs)
			next := l.receiver(t, meters, nil)
			next.Inherit(r)
			require.NotSame(t, r.digester, next.digester)
			require.Nil(t, next.digester.interfaces.things)
		}
		close(hangs)
		synctest.Wait()
	})
}

func TestInheritsFromItsKindAlone(t *testing.T) {
	l := newLab(t, nil)
	l.Inherit(nil)
	require.Nil(t, l.latest.Load())
}

// Where the groups that are on have nothing of the family that is wanted, nothing is read.
func TestNothingToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{node: aNode(), readers: map[string]*sdkmetric.ManualReader{}}
		l.Receiver = l.receiver(t, pipeline.NodeMeters{NPD: l.provider("npd").Meter("test")}, func(c *Config) {
			*c = Config{
				Interval: time.Minute, Paging: GroupConfig{Enabled: true},
				CPU: CPUConfig{MaxCPUs: 1}, Disk: DiskConfig{MaxDevices: 1}, Filesystem: FilesystemConfig{MaxMounts: 1}, Network: NetworkConfig{MaxInterfaces: 1},
			}
		})
		l.Receiver.node = func(context.Context) hoststat.Reading { t.Error("it was read"); return hoststat.Reading{} }
		l.run(t)
		require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
	})
}
