package kmsg

import (
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// tolerance is how far an offset may be off before it moves: records that are
// read again keep their times.
const tolerance = time.Second

// offsets turn the kernel's stamps into times. The stamps (sched_clock, see
// kernel/printk) count what the hardware counts, from about the boot on: neither
// suspends nor slewing. So does CLOCK_MONOTONIC_RAW, and how far the other clocks
// are ahead of that one is how far they are ahead of the stamps. When a record
// was read does not come into it: one without a newline at its end is only seen
// when the next is written, and a machine that stands still reads late.
type offsets struct {
	mu         sync.Mutex
	known      bool
	wall, boot int64 // ns to add
}

// measure moves the offsets to what the clocks show, where they are off by more
// than the tolerance.
func (o *offsets) measure(now pipeline.Instant) {
	wall, boot := now.Wall.UnixNano()-int64(now.Raw), int64(now.Boot-now.Raw)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		o.known, o.wall, o.boot = true, wall, boot
		return
	}
	move(&o.wall, wall)
	move(&o.boot, boot)
}

func move(offset *int64, measured int64) {
	if off := measured - *offset; off > int64(tolerance) || off < -int64(tolerance) {
		*offset = measured
	}
}

// times sets the records' times from their stamps. None is later than now, when
// all had been read.
func (o *offsets) times(records []Record, now pipeline.Instant) {
	o.mu.Lock()
	wall, boot := o.wall, o.boot
	o.mu.Unlock()
	for i := range records {
		stamp := records[i].Microseconds * 1000
		records[i].Boot = min(time.Duration(stamp+boot), now.Boot)
		records[i].Time = time.Unix(0, min(stamp+wall, now.Wall.UnixNano()))
	}
}
