package kmsg

import (
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// tolerance is how far a clock may be off before its offset moves: records that
// are read again keep their time, and a reader that came a little late is no
// reason to change it.
const tolerance = time.Second

// offsets turn the kernel's stamps into times. The stamps count no suspends and
// are not slewed, so an offset measured once is wrong later; a record that was
// just written measures it anew.
type offsets struct {
	mu         sync.Mutex
	known      bool
	wall, boot offset
}

// offset is what is to be added to a stamp. What is measured is never too small,
// but too large where the reader came late, as on a machine that stood still: a
// larger offset is believed once a second record confirms it.
type offset struct {
	ns      int64
	larger  bool
	pending int64 // the smallest measured since larger
}

// start sets the first offsets: as if there had been no suspend.
func (o *offsets) start(now pipeline.Instant) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		o.known, o.wall.ns, o.boot.ns = true, now.Wall.UnixNano()-int64(now.Boot), 0
	}
}

// measure takes the clocks, in ns, as a record with that stamp was read that was
// just written.
func (o *offsets) measure(wall, boot, microseconds int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wall.measure(wall - microseconds*1000)
	o.boot.measure(boot - microseconds*1000)
}

func (o *offset) measure(measured int64) {
	switch off := measured - o.ns; {
	case off < -int64(tolerance):
		*o = offset{ns: measured}
	case off <= int64(tolerance):
		o.larger = false
	case o.larger:
		*o = offset{ns: min(o.pending, measured)}
	default:
		o.larger, o.pending = true, measured
	}
}

// times sets a record's times from its stamp.
func (o *offsets) times(record *Record) {
	o.mu.Lock()
	wall, boot := o.wall.ns, o.boot.ns
	o.mu.Unlock()
	record.Time = time.Unix(0, record.Microseconds*1000+wall)
	record.Boot = time.Duration(record.Microseconds*1000 + boot)
}
