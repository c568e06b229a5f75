package filelog

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// boots are this boot and the one before it: lines that were written before this one
// belong to that.
type boots struct {
	boot, previous bootStart
}

// bootStart is a boot and when it was, by the wall clock.
type bootStart struct {
	id    string
	start time.Time
}

// unknownBoot is the id of a boot before this one of which nothing is known.
const unknownBoot = "unknown"

// begin notes the boot that the agent runs in.
func (b *boots) begin(boot pipeline.Boot, now pipeline.Instant) {
	if b.boot.id == boot.ID && !b.boot.start.IsZero() {
		return
	}
	if b.boot.id != "" {
		b.previous = b.boot
	}
	b.boot = bootStart{boot.ID, now.Wall.Add(-now.Boot)}
}

const (
	// stepSize is how much the wall clock must have been set for the boot's start to
	// move: less is measuring.
	stepSize = time.Second
	// earlyLines is how long before the start lines may seem to be, whose times have
	// whole seconds.
	earlyLines = 2 * time.Second
)

// measure follows the wall clock, if it was set.
func (r *Receiver) measure(now pipeline.Instant) {
	start := now.Wall.Add(-now.Boot)
	r.mu.Lock()
	defer r.mu.Unlock()
	if off := start.Sub(r.boot.start); off > stepSize || off < -stepSize {
		r.boot.start = start
	}
}

// bootTime is a line's time on the clock of its boot. It is not after the reading. All
// times are credible ones.
func (b *boots) bootTime(at time.Time, now *pipeline.Instant) pipeline.BootTime {
	since := time.Duration(at.UnixNano() - b.boot.start.UnixNano()) // half of what Sub takes
	switch {
	case since >= -earlyLines:
		return pipeline.BootTime{ID: b.boot.id, At: min(max(0, since), now.Boot)}
	case b.previous.id == "":
		return pipeline.BootTime{ID: unknownBoot}
	default:
		return pipeline.BootTime{ID: b.previous.id, At: max(0, at.Sub(b.previous.start))}
	}
}
