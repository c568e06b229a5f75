package hoststats

import (
	"math"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// cpuFields are the times of a CPU. Idle and IOWait are estimates and go back a little;
// 3 s is what node_exporter takes for it, too.
func cpuFields() []field[hoststat.CPUTimes, float64] {
	const slack = 3
	type times = hoststat.CPUTimes
	one := func(of func(*times) *float64) field[times, float64] {
		return field[times, float64]{of: of, slack: slack}
	}
	return []field[times, float64]{
		one(func(t *times) *float64 { return &t.User }), one(func(t *times) *float64 { return &t.Nice }),
		one(func(t *times) *float64 { return &t.System }), one(func(t *times) *float64 { return &t.Idle }),
		one(func(t *times) *float64 { return &t.IOWait }), one(func(t *times) *float64 { return &t.IRQ }),
		one(func(t *times) *float64 { return &t.SoftIRQ }), one(func(t *times) *float64 { return &t.Steal }),
		one(func(t *times) *float64 { return &t.Guest }), one(func(t *times) *float64 { return &t.GuestNice }),
	}
}

// diskFields are the counters of a block device. The kernel prints the times in 32 bits
// (block/genhd.c, diskstats_show).
func diskFields() []field[hoststat.Disk, uint64] {
	type disk = hoststat.Disk
	count := func(of func(*disk) *uint64) field[disk, uint64] {
		return field[disk, uint64]{of: of, most: math.MaxInt64}
	}
	millis := func(of func(*disk) *uint64) field[disk, uint64] {
		return field[disk, uint64]{of: of, narrow: true, most: math.MaxInt64}
	}
	return []field[disk, uint64]{
		count(func(d *disk) *uint64 { return &d.Reads }), count(func(d *disk) *uint64 { return &d.Writes }),
		count(func(d *disk) *uint64 { return &d.ReadsMerged }), count(func(d *disk) *uint64 { return &d.WritesMerged }),
		count(func(d *disk) *uint64 { return &d.ReadBytes }), count(func(d *disk) *uint64 { return &d.WrittenBytes }),
		millis(func(d *disk) *uint64 { return &d.ReadMillis }), millis(func(d *disk) *uint64 { return &d.WriteMillis }),
		millis(func(d *disk) *uint64 { return &d.IOMillis }), millis(func(d *disk) *uint64 { return &d.WeightedMillis }),
	}
}

// interfaceFields are the counters of a network interface.
func interfaceFields() []field[hoststat.Interface, uint64] {
	type link = hoststat.Interface
	count := func(of func(*link) *uint64) field[link, uint64] {
		return field[link, uint64]{of: of, most: math.MaxInt64}
	}
	return []field[link, uint64]{
		count(func(i *link) *uint64 { return &i.RxBytes }), count(func(i *link) *uint64 { return &i.RxPackets }),
		count(func(i *link) *uint64 { return &i.RxErrors }), count(func(i *link) *uint64 { return &i.RxDropped }),
		count(func(i *link) *uint64 { return &i.RxFIFO }), count(func(i *link) *uint64 { return &i.RxFrame }),
		count(func(i *link) *uint64 { return &i.RxCompressed }), count(func(i *link) *uint64 { return &i.RxMulticast }),
		count(func(i *link) *uint64 { return &i.TxBytes }), count(func(i *link) *uint64 { return &i.TxPackets }),
		count(func(i *link) *uint64 { return &i.TxErrors }), count(func(i *link) *uint64 { return &i.TxDropped }),
		count(func(i *link) *uint64 { return &i.TxFIFO }), count(func(i *link) *uint64 { return &i.TxCollisions }),
		count(func(i *link) *uint64 { return &i.TxCarrier }), count(func(i *link) *uint64 { return &i.TxCompressed }),
	}
}

// totals are the counters of the node that have no labels.
type totals struct {
	Interrupts, ProcessesCreated, MinorFaults, MajorFaults, SwappedIn, SwappedOut uint64
}

func totalsFields() []field[totals, uint64] {
	count := func(of func(*totals) *uint64) field[totals, uint64] {
		return field[totals, uint64]{of: of, most: math.MaxInt64}
	}
	return []field[totals, uint64]{
		count(func(t *totals) *uint64 { return &t.Interrupts }), count(func(t *totals) *uint64 { return &t.ProcessesCreated }),
		count(func(t *totals) *uint64 { return &t.MinorFaults }), count(func(t *totals) *uint64 { return &t.MajorFaults }),
		count(func(t *totals) *uint64 { return &t.SwappedIn }), count(func(t *totals) *uint64 { return &t.SwappedOut }),
	}
}
