package hoststats

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// npdDefinitions are node-problem-detector's metrics: names, kinds, units and labels are
// its own, so that what is built on them goes on.
func npdDefinitions() []definition {
	return concat(npdCPUDefinitions(), npdDiskDefinitions(), npdHostDefinitions(), npdMemoryDefinitions(), npdNetDefinitions())
}

func concat(lists ...[]definition) (all []definition) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// The units that node-problem-detector gives its metrics.
const (
	npdNone    = "1"
	npdMillis  = "ms"
	npdSeconds = "s"
	npdBytes   = "Byte"
	npdPercent = "%"
)

func npdCPUDefinitions() []definition {
	load := func(name, description string, of func(*hoststat.Load) float64) definition {
		return definition{
			name: name, unit: npdNone, description: description, kind: gauge, real: true, group: groupCPU, parts: hoststat.PartLoad,
			observe: func(o *observer, r *reading) {
				if r.node.Load.Err == nil {
					o.figure(of(&r.node.Load), nil)
				}
			},
		}
	}
	one := func(l *hoststat.Load) float64 { return l.One }
	list := []definition{
		load("cpu/load_1m", "Threads that run, could run or wait for a disk, on average of 1 minute.", one),
		load("cpu/load_5m", "Threads that run, could run or wait for a disk, on average of 5 minutes.", func(l *hoststat.Load) float64 { return l.Five }),
		load("cpu/load_15m", "Threads that run, could run or wait for a disk, on average of 15 minutes.", func(l *hoststat.Load) float64 { return l.Fifteen }),
		load("cpu/runnable_task_count", "The same as cpu/load_1m.", one),
	}
	states := make([]attributes, stageCount)
	for i, state := range stateNames() {
		states[i] = with(attribute.String(npdState, state))
	}
	stat := func(d definition) definition {
		d.group, d.parts = groupCPU, hoststat.PartCPU
		observe := d.observe
		d.observe = func(o *observer, r *reading) {
			if r.node.CPU.Err == nil {
				observe(o, r)
			}
		}
		return d
	}
	return append(list,
		stat(definition{
			name: "cpu/usage_time", unit: npdSeconds, description: "Time that all CPUs have been in each state.", kind: counter, real: true,
			observe: func(o *observer, r *reading) {
				for i, x := range stages(&r.cpu.CPUTimes) {
					o.figure(x, states[i])
				}
			},
		}),
		stat(definition{
			name: "system/processes_total", unit: npdNone, description: "Processes and threads made since boot.", kind: counter,
			observe: func(o *observer, r *reading) { o.count(r.totals.ProcessesCreated, nil) },
		}),
		stat(definition{
			name: "system/procs_running", unit: npdNone, description: "Threads that run or could run.", kind: gauge,
			observe: func(o *observer, r *reading) { o.count(r.node.CPU.Running, nil) },
		}),
		stat(definition{
			name: "system/procs_blocked", unit: npdNone, description: "Threads that wait for a disk.", kind: gauge,
			observe: func(o *observer, r *reading) { o.count(r.node.CPU.Blocked, nil) },
		}),
		stat(definition{
			name: "system/interrupts_total", unit: npdNone, description: "Interrupts since boot.", kind: counter,
			observe: func(o *observer, r *reading) { o.count(r.totals.Interrupts, nil) },
		}),
		stat(definition{
			name: "system/cpu_stat", unit: npdSeconds, description: "Time that each CPU has been in each stage.", kind: counter, real: true,
			observe: func(o *observer, r *reading) {
				for i := range r.cpus {
					for stage, x := range stages(&r.cpus[i].CPUTimes) {
						o.figure(x, r.cpus[i].labels.stages[stage])
					}
				}
			},
		}),
	)
}

// npdHostDefinitions are those of the groups uptime and os_features.
func npdHostDefinitions() []definition {
	return []definition{
		{
			name: "host/uptime", unit: npdSeconds, description: "Time since the node booted.",
			kind: gauge, group: groupUptime, parts: hoststat.PartUptime | hoststat.PartSystem,
			observe: func(o *observer, r *reading) {
				if r.node.Uptime.Err == nil { // without what is not known of the system
					o.count(uint64(max(0, r.node.Uptime.Seconds)), with(
						attribute.String(npdKernel, shown(r.node.System.KernelVersion)), attribute.String(npdOS, shown(r.node.System.OSVersion))))
				}
			},
		},
		{
			name: "system/os_feature", unit: npdNone, description: "1 for a feature that the kernel has turned on, and for what its modules tell of.",
			kind: gauge, group: groupOSFeatures, parts: hoststat.PartCommandLine | hoststat.PartModules,
			observe: observeFeatures,
		},
	}
}

func npdMemoryDefinitions() []definition {
	define := func(name, description string, tell func(*observer, *hoststat.Memory)) definition {
		return definition{
			name: name, unit: npdBytes, description: description, kind: gauge, group: groupMemory, parts: hoststat.PartMemory,
			observe: func(o *observer, r *reading) {
				if r.node.Memory.Err == nil {
					tell(o, &r.node.Memory)
				}
			},
		}
	}
	state := func(name string) attributes { return with(attribute.String(npdState, name)) }
	free, buffered, cached, slab, used := state("free"), state("buffered"), state("cached"), state("slab"), state("used")
	active, inactive, dirty, writeback := state("active"), state("inactive"), state("dirty"), state("writeback")
	percent := define("memory/percent_used", "Part of the memory that is used.", func(o *observer, m *hoststat.Memory) {
		if m.Total.N > 0 {
			o.figure(100*float64(npdUsed(m))/float64(m.Total.N), used)
		}
	})
	percent.unit, percent.real = npdPercent, true
	return []definition{
		define("memory/bytes_used", "Memory by its use.", func(o *observer, m *hoststat.Memory) {
			o.amount(m.Free, free)
			o.amount(m.Buffers, buffered)
			o.amount(m.Cached, cached)
			o.amount(m.Slab, slab)
			o.count(npdUsed(m), used)
		}),
		percent,
		define("memory/anonymous_used", "Memory of processes that is no file's.", func(o *observer, m *hoststat.Memory) {
			o.amount(m.ActiveAnon, active)
			o.amount(m.InactiveAnon, inactive)
		}),
		define("memory/page_cache_used", "Memory that holds parts of files.", func(o *observer, m *hoststat.Memory) {
			o.amount(m.ActiveFile, active)
			o.amount(m.InactiveFile, inactive)
		}),
		define("memory/dirty_used", "Memory that must be written to disks, and that is being written.", func(o *observer, m *hoststat.Memory) {
			o.amount(m.Dirty, dirty)
			o.amount(m.Writeback, writeback)
		}),
		define("memory/unevictable_used", "Memory that cannot be taken away from those who have it.", func(o *observer, m *hoststat.Memory) {
			o.amount(m.Unevictable, nil)
		}),
	}
}

// npdUsed is what node-problem-detector calls used: the rest.
func npdUsed(m *hoststat.Memory) uint64 {
	return rest(m.Total.N, m.Free.N+m.Buffers.N+m.Cached.N+m.Slab.N)
}

// rest is what is left of a whole; the parts are not all of one moment.
func rest(whole, parts uint64) uint64 { return whole - min(whole, parts) }
