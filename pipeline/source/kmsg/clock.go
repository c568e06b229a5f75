package kmsg

import (
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// tolerance is how far an offset may be off before it moves: records that are
// read again keep their times.
const tolerance = time.Second

// Offsets are how far the clocks are ahead of the kernel's stamps, in nanoseconds.
type Offsets struct {
	Wall int64 `json:"wall_ns"`
	Boot int64 `json:"boot_ns"`
}

// offsets turn the kernel's stamps into times. The stamps (sched_clock, see
// kernel/printk) count what the hardware counts, from about the boot on: neither
// suspends nor slewing. So does CLOCK_MONOTONIC_RAW, and how far the other clocks
// are ahead of that one is how far they are ahead of the stamps. When a record
// was read does not come into it: one without a newline at its end is only seen
// when the next is written, and a machine that stands still reads late.
type offsets struct {
	mu    sync.Mutex
	known bool
	Offsets
}

// restore sets the offsets to those of before, unless they are known already.
func (o *offsets) restore(before *Offsets) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known && before != nil {
		o.known, o.Offsets = true, *before
	}
}

// current returns the offsets; nil: they are not known yet.
func (o *offsets) current() *Offsets {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		return nil
	}
	now := o.Offsets
	return &now
}

// measure moves the offsets to what the clocks show, where they are off by more
// than the tolerance.
func (o *offsets) measure(now pipeline.Instant) {
	wall, boot := now.Wall.UnixNano()-int64(now.Raw), int64(now.Boot-now.Raw)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		o.known, o.Offsets = true, Offsets{Wall: wall, Boot: boot}
		return
	}
	move(&o.Wall, wall)
	move(&o.Boot, boot)
}

func move(offset *int64, measured int64) {
	if off := measured - *offset; off > int64(tolerance) || off < -int64(tolerance) {
		*offset = measured
	}
}

// times sets the records' times from their stamps. Where one would be later than
// now, when all had been read, by more than the tolerance, the machine was suspended
// since: then it is now. Within the tolerance it stays, or the same record would have
// another time when it is read again.
func (o *offsets) times(records []Record, now pipeline.Instant) {
	o.mu.Lock()
	wall, boot := o.Wall, o.Boot
	o.mu.Unlock()
	for i := range records {
		stamp := records[i].Microseconds * 1000
		records[i].Boot = time.Duration(notAfter(stamp+boot, int64(now.Boot)))
		records[i].Time = time.Unix(0, notAfter(stamp+wall, now.Wall.UnixNano()))
	}
}

func notAfter(at, now int64) int64 {
	if at > now && at-now > int64(tolerance) {
		return now
	}
	return at
}
