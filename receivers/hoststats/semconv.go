package hoststats

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/k8sconv"
	"go.opentelemetry.io/otel/semconv/v1.43.0/systemconv"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// semconvDefinitions are the metrics of the semantic conventions for systems, by their
// model of version 1.43 (model/system/metrics.yaml). The types of numbers are those of
// the model; some of the generated code's are whole where the model says double.
func semconvDefinitions(logicalNumbers bool) []definition {
	return concat(
		semconvCPUDefinitions(logicalNumbers), semconvMemoryDefinitions(), semconvHugePagesDefinitions(), semconvPagingDefinitions(),
		semconvDiskDefinitions(), semconvFilesystemDefinitions(), semconvNetworkDefinitions(), semconvHostDefinitions(),
	)
}

// convention is a metric of the generated code.
type convention interface {
	Name() string
	Unit() string
	Description() string
}

// by makes a definition of a convention.
func by(c convention, k kind) definition {
	return definition{name: c.Name(), unit: c.Unit(), description: c.Description(), kind: k}
}

// byReal makes one whose values are no whole numbers.
func byReal(c convention, k kind) definition {
	d := by(c, k)
	d.real = true
	return d
}

// of completes a definition by the part that it is read from; tell is called where that
// has no error.
func (d definition) of(g group, parts hoststat.Parts, fault func(*hoststat.Reading) error, tell func(*observer, *reading)) definition {
	d.group, d.parts = g, parts
	d.observe = func(o *observer, r *reading) {
		if fault(&r.node) == nil {
			tell(o, r)
		}
	}
	return d
}

func cpuFault(node *hoststat.Reading) error       { return node.CPU.Err }
func memoryFault(node *hoststat.Reading) error    { return node.Memory.Err }
func pagingFault(node *hoststat.Reading) error    { return node.Paging.Err }
func processesFault(node *hoststat.Reading) error { return node.Processes.Err }
func uptimeFault(node *hoststat.Reading) error    { return node.Uptime.Err }

func semconvCPUDefinitions(logicalNumbers bool) []definition {
	sum := modeLabels()
	time := func(o *observer, r *reading) {
		for i, x := range modes(&r.cpu.CPUTimes) {
			o.figure(x, sum[i])
		}
	}
	utilization := func(o *observer, r *reading) { observeShare(o, &r.cpu, sum) }
	if logicalNumbers {
		time = func(o *observer, r *reading) {
			for i := range r.cpus {
				for mode, x := range modes(&r.cpus[i].CPUTimes) {
					o.figure(x, r.cpus[i].labels.modes[mode])
				}
			}
		}
		utilization = func(o *observer, r *reading) {
			for i := range r.cpus {
				observeShare(o, &r.cpus[i], r.cpus[i].labels.modes)
			}
		}
	}
	return []definition{
		byReal(systemconv.CPUTime{}, counter).of(groupCPU, hoststat.PartCPU, cpuFault, time),
		byReal(systemconv.CPUUtilization{}, gauge).of(groupCPU, hoststat.PartCPU, cpuFault, utilization),
		by(systemconv.CPULogicalCount{}, upDownCounter).of(groupCPU, hoststat.PartCPU, cpuFault, func(o *observer, r *reading) {
			o.count(r.online, nil)
		}),
	}
}

func observeShare(o *observer, cpu *cpuReading, labels []attributes) {
	if cpu.share != nil {
		for mode, x := range cpu.share {
			o.figure(x, labels[mode])
		}
	}
}

func semconvMemoryDefinitions() []definition {
	memory := func(d definition, tell func(*observer, *hoststat.Memory)) definition {
		return d.of(groupMemory, hoststat.PartMemory, memoryFault, func(o *observer, r *reading) { tell(o, &r.node.Memory) })
	}
	used, free := with(semconv.SystemMemoryStateUsed), with(semconv.SystemMemoryStateFree)
	buffers, cached := with(semconv.SystemMemoryStateBuffers), with(semconv.SystemMemoryStateCached)
	reclaimable, unreclaimable := with(semconv.SystemMemoryLinuxSlabStateReclaimable), with(semconv.SystemMemoryLinuxSlabStateUnreclaimable)
	return []definition{
		memory(by(systemconv.MemoryUsage{}, upDownCounter), func(o *observer, m *hoststat.Memory) {
			o.count(memoryUsed(m), used)
			o.amount(m.Free, free)
			o.amount(m.Buffers, buffers)
			o.amount(m.Cached, cached)
		}),
		memory(byReal(systemconv.MemoryUtilization{}, gauge), func(o *observer, m *hoststat.Memory) {
			o.part(memoryUsed(m), m.Total.N, used)
			o.part(m.Free.N, m.Total.N, free)
			o.part(m.Buffers.N, m.Total.N, buffers)
			o.part(m.Cached.N, m.Total.N, cached)
		}),
		memory(by(systemconv.MemoryLimit{}, upDownCounter), func(o *observer, m *hoststat.Memory) { o.amount(m.Total, nil) }),
		memory(by(systemconv.MemoryLinuxAvailable{}, upDownCounter), func(o *observer, m *hoststat.Memory) { o.amount(m.Available, nil) }),
		memory(by(systemconv.MemoryLinuxShared{}, upDownCounter), func(o *observer, m *hoststat.Memory) { o.amount(m.Shmem, nil) }),
		memory(by(systemconv.MemoryLinuxSlabUsage{}, upDownCounter), func(o *observer, m *hoststat.Memory) {
			o.amount(m.SlabReclaimable, reclaimable)
			o.amount(m.SlabUnreclaimable, unreclaimable)
		}),
	}
}

// memoryUsed is what is in use: with free, buffers and cached it adds up to all.
func memoryUsed(m *hoststat.Memory) uint64 {
	return rest(m.Total.N, m.Free.N+m.Buffers.N+m.Cached.N)
}

// part tells which part of a whole something is, where there is a whole.
func (o *observer) part(n, whole uint64, labels attributes) {
	if whole > 0 {
		o.figure(float64(n)/float64(whole), labels)
	}
}

func semconvHugePagesDefinitions() []definition {
	memory := func(d definition, tell func(*observer, *hoststat.Memory)) definition {
		return d.of(groupMemory, hoststat.PartMemory, memoryFault, func(o *observer, r *reading) {
			if r.node.Memory.HugePagesTotal.Known {
				tell(o, &r.node.Memory)
			}
		})
	}
	used, free := with(semconv.SystemMemoryLinuxHugepagesStateUsed), with(semconv.SystemMemoryLinuxHugepagesStateFree)
	return []definition{
		memory(by(systemconv.MemoryLinuxHugepagesLimit{}, upDownCounter), func(o *observer, m *hoststat.Memory) { o.amount(m.HugePagesTotal, nil) }),
		memory(by(systemconv.MemoryLinuxHugepagesUsage{}, upDownCounter), func(o *observer, m *hoststat.Memory) {
			o.count(rest(m.HugePagesTotal.N, m.HugePagesFree.N), used)
			o.amount(m.HugePagesFree, free)
		}),
		memory(byReal(systemconv.MemoryLinuxHugepagesUtilization{}, gauge), func(o *observer, m *hoststat.Memory) {
			o.part(rest(m.HugePagesTotal.N, m.HugePagesFree.N), m.HugePagesTotal.N, used)
			o.part(m.HugePagesFree.N, m.HugePagesTotal.N, free)
		}),
		memory(by(systemconv.MemoryLinuxHugepagesPageSize{}, upDownCounter), func(o *observer, m *hoststat.Memory) { o.amount(m.HugePageSize, nil) }),
		memory(by(systemconv.MemoryLinuxHugepagesReserved{}, upDownCounter), func(o *observer, m *hoststat.Memory) { o.amount(m.HugePagesReserved, nil) }),
		memory(by(systemconv.MemoryLinuxHugepagesSurplus{}, upDownCounter), func(o *observer, m *hoststat.Memory) { o.amount(m.HugePagesSurplus, nil) }),
	}
}

func semconvPagingDefinitions() []definition {
	used, free := with(semconv.SystemPagingStateUsed), with(semconv.SystemPagingStateFree)
	in, out := with(semconv.SystemPagingDirectionIn), with(semconv.SystemPagingDirectionOut)
	major, minor := with(semconv.SystemPagingFaultTypeMajor), with(semconv.SystemPagingFaultTypeMinor)
	known := func(n uint64, like hoststat.Amount) hoststat.Amount { return hoststat.Amount{N: n, Known: like.Known} }
	return []definition{
		by(systemconv.PagingUsage{}, upDownCounter).of(groupPaging, hoststat.PartMemory, memoryFault, func(o *observer, r *reading) {
			m := &r.node.Memory
			o.amount(known(rest(m.SwapTotal.N, m.SwapFree.N), m.SwapTotal), used)
			o.amount(m.SwapFree, free)
		}),
		byReal(systemconv.PagingUtilization{}, gauge).of(groupPaging, hoststat.PartMemory, memoryFault, func(o *observer, r *reading) {
			m := &r.node.Memory
			o.part(rest(m.SwapTotal.N, m.SwapFree.N), m.SwapTotal.N, used)
			o.part(m.SwapFree.N, m.SwapTotal.N, free)
		}),
		by(systemconv.PagingFaults{}, counter).of(groupPaging, hoststat.PartPaging, pagingFault, func(o *observer, r *reading) {
			o.amount(known(r.totals.MajorFaults, r.node.Paging.MajorFaults), major)
			o.amount(known(r.totals.MinorFaults, r.node.Paging.Faults), minor)
		}),
		by(systemconv.PagingOperations{}, counter).of(groupPaging, hoststat.PartPaging, pagingFault, func(o *observer, r *reading) {
			o.amount(known(r.totals.SwappedIn, r.node.Paging.SwappedIn), in)
			o.amount(known(r.totals.SwappedOut, r.node.Paging.SwappedOut), out)
		}),
	}
}

// semconvHostDefinitions are those of the groups processes and uptime.
func semconvHostDefinitions() []definition {
	uptime := func(o *observer, r *reading) { o.figure(r.node.Uptime.Seconds, nil) }
	return []definition{
		by(systemconv.ProcessCount{}, upDownCounter).of(groupProcesses, hoststat.PartProcesses, processesFault, func(o *observer, r *reading) {
			o.count(r.node.Processes.Count, nil)
		}),
		by(systemconv.ProcessCreated{}, counter).of(groupProcesses, hoststat.PartCPU, cpuFault, func(o *observer, r *reading) {
			o.count(r.totals.ProcessesCreated, nil)
		}),
		byReal(systemconv.Uptime{}, gauge).of(groupUptime, hoststat.PartUptime, uptimeFault, uptime),
		byReal(k8sconv.NodeUptime{}, gauge).of(groupUptime, hoststat.PartUptime, uptimeFault, uptime),
	}
}
