package hoststats

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// digester makes readings of what the node says: it chooses what counts, lets counters go
// on over their resets, and works out what two readings tell together. It belongs to one
// goroutine.
type digester struct {
	config   *Config
	families families
	// cut is told how many of a kind are left out since they are too many.
	cut func(kind string, n int)

	diskNames, mountPoints, interfaceNames selector

	history
}

// history is what a digester knows of earlier readings.
type history struct {
	totals     follower[totals, uint64, struct{}]
	cpus       follower[hoststat.CPUTimes, float64, cpuLabels]
	disks      follower[hoststat.Disk, uint64, diskLabels]
	interfaces follower[hoststat.Interface, uint64, interfaceLabels]
	mounts     map[mount]*filesystemLabels
	// disksAt is when the counters of disks were read last.
	disksAt time.Time
}

func newHistory() history {
	return history{
		totals:     follower[totals, uint64, struct{}]{fields: totalsFields()},
		cpus:       follower[hoststat.CPUTimes, float64, cpuLabels]{fields: cpuFields()},
		disks:      follower[hoststat.Disk, uint64, diskLabels]{fields: diskFields()},
		interfaces: follower[hoststat.Interface, uint64, interfaceLabels]{fields: interfaceFields()},
	}
}

func newDigester(config *Config, f families, cut func(string, int)) (*digester, error) {
	d := &digester{config: config, families: f, cut: cut, history: newHistory()}
	var errs [3]error
	d.diskNames, errs[0] = config.Disk.selector()
	d.mountPoints, errs[1] = config.Filesystem.selector()
	d.interfaceNames, errs[2] = config.Network.selector()
	return d, errors.Join(errs[:]...)
}

// The kinds of things that may be too many.
const (
	kindCPU        = "cpu"
	kindDisk       = "disk"
	kindFilesystem = "filesystem"
	kindInterface  = "interface"
)

func kinds() []string { return []string{kindCPU, kindDisk, kindFilesystem, kindInterface} }

// digest makes a reading. Where a part has an error, its figures are not there.
func (d *digester) digest(node hoststat.Reading, at time.Duration) *reading {
	made := &reading{at: at}
	made.totals = d.takeTotals(&node)
	if node.CPU.Err == nil {
		d.takeCPUs(made, &node.CPU)
	}
	if node.Disks.Err == nil {
		d.takeDisks(made, &node)
	}
	if node.FileSystems.Err == nil {
		d.takeFilesystems(made, node.FileSystems.Each)
	}
	if node.Interfaces.Err == nil {
		d.takeInterfaces(made, node.Interfaces.Each)
	}
	node.CPU.Each, node.Disks.Each, node.FileSystems.Each, node.Interfaces.Each = nil, nil, nil, nil
	made.node = node
	return made
}

// takeTotals lets the counters without labels go on. Those that were not read stay what
// they were.
func (d *digester) takeTotals(node *hoststat.Reading) totals {
	d.totals.begin(1)
	all := d.totals.find("")
	now := all.last
	if node.CPU.Err == nil {
		now.Interrupts, now.ProcessesCreated = node.CPU.Interrupts, node.CPU.ProcessesCreated
	}
	if paging := &node.Paging; paging.Err == nil {
		now.MajorFaults, now.MinorFaults = paging.MajorFaults.N, paging.Faults.N-min(paging.Faults.N, paging.MajorFaults.N)
		now.SwappedIn, now.SwappedOut = paging.SwappedIn.N, paging.SwappedOut.N
	}
	sum, _ := d.totals.next(all, now)
	return sum
}

func (d *digester) takeCPUs(made *reading, cpu *hoststat.CPU) {
	each := cpu.Each[:min(len(cpu.Each), d.config.CPU.MaxCPUs)]
	made.online = uint64(len(cpu.Each))
	d.cpus.begin(len(each) + 1)
	made.cpu = d.takeCPU("", -1, cpu.Total)
	if !d.families.npd && !d.config.CPU.LogicalNumbers {
		return
	}
	d.cut(kindCPU, len(cpu.Each)-len(each))
	made.cpus = make([]cpuReading, len(each))
	for i := range each {
		made.cpus[i] = d.takeCPU(strconv.Itoa(each[i].Number), each[i].Number, each[i].CPUTimes)
	}
}

// takeCPU takes one CPU, or all of them, which have no number.
func (d *digester) takeCPU(name string, number int, times hoststat.CPUTimes) cpuReading {
	one := d.cpus.find(name)
	if one.labels == nil && number >= 0 {
		one.labels = d.families.cpuLabels(number, d.config.CPU.LogicalNumbers)
	}
	before := d.cpus.served(one)
	sum, anew := d.cpus.next(one, times)
	made := cpuReading{CPUTimes: sum, labels: one.labels}
	if !anew && d.families.semconv {
		made.share = share(&before, &sum)
	}
	return made
}

// share is for which part of the time between two readings a CPU was in each mode; nil:
// no time has passed.
func share(before, now *hoststat.CPUTimes) *[modeCount]float64 {
	x, y := modes(before), modes(now)
	all := 0.0
	for i := range y {
		y[i] -= x[i]
		all += y[i]
	}
	if all <= 0 {
		return nil
	}
	for i := range y {
		y[i] /= all
	}
	return &y
}

func (d *digester) takeDisks(made *reading, node *hoststat.Reading) {
	mounted := map[string]bool{}
	for i := range node.FileSystems.Each {
		mounted[node.FileSystems.Each[i].Disk] = true
	}
	passed := node.Disks.Time.Sub(d.disksAt)
	d.disksAt = node.Disks.Time
	most, left := d.config.Disk.MaxDevices, 0
	d.disks.begin(most)
	for i := range node.Disks.Each {
		disk := &node.Disks.Each[i]
		switch {
		case !d.wantsDisk(disk, mounted[disk.Name]):
		case len(made.disks) == most, d.disks.seen(disk.Name):
			left++
		default:
			one := d.takeDisk(disk, passed)
			one.mounted = mounted[disk.Name]
			made.disks = append(made.disks, one)
		}
	}
	d.cut(kindDisk, left)
}

func (d *digester) wantsDisk(disk *hoststat.Disk, mounted bool) bool {
	kinds := d.config.Disk.Devices
	return d.diskNames.wants(disk.Name) && (len(kinds) == 0 ||
		disk.Root && slices.Contains(kinds, DevicesWhole) || mounted && slices.Contains(kinds, DevicesMounted))
}

func (d *digester) takeDisk(disk *hoststat.Disk, passed time.Duration) diskReading {
	one := d.disks.find(disk.Name)
	if one.labels == nil {
		one.labels = d.families.diskLabels(disk.Name)
	}
	before := d.disks.served(one)
	sum, anew := d.disks.next(one, *disk)
	made := diskReading{Disk: sum, labels: one.labels}
	if !anew && passed > 0 {
		grown := time.Duration(sum.WeightedMillis-before.WeightedMillis) * time.Millisecond //nolint:gosec // of one interval
		made.queue, made.queueKnown = float64(grown)/float64(passed), true
	}
	return made
}

func (d *digester) takeFilesystems(made *reading, each []hoststat.FileSystem) {
	most, left := d.config.Filesystem.MaxMounts, 0
	labels := make(map[mount]*filesystemLabels, len(each))
	for i := range each {
		switch {
		case each[i].Err != nil || !d.mountPoints.wants(each[i].MountPoint):
		case len(made.filesystems) == most:
			left++
		default:
			key := mount{each[i].Device, each[i].MountPoint, each[i].Type, each[i].Options, each[i].ReadOnly}
			if labels[key] = d.mounts[key]; labels[key] == nil {
				labels[key] = d.families.filesystemLabels(&each[i])
			}
			made.filesystems = append(made.filesystems, filesystemReading{FileSystem: each[i], labels: labels[key]})
		}
	}
	d.mounts = labels
	d.cut(kindFilesystem, left)
}

// mount is what the labels of a file system are made of.
type mount struct {
	device, point, fsType, options string
	readOnly                       bool
}

func (d *digester) takeInterfaces(made *reading, each []hoststat.Interface) {
	most, left := d.config.Network.MaxInterfaces, 0
	d.interfaces.begin(most)
	for i := range each {
		switch {
		case !d.interfaceNames.wants(each[i].Name):
		case len(made.interfaces) == most, d.interfaces.seen(each[i].Name):
			left++
		default:
			one := d.interfaces.find(each[i].Name)
			if one.labels == nil {
				one.labels = d.families.interfaceLabels(each[i].Name)
			}
			sum, _ := d.interfaces.next(one, each[i])
			made.interfaces = append(made.interfaces, interfaceReading{Interface: sum, labels: one.labels})
		}
	}
	d.cut(kindInterface, left)
}
