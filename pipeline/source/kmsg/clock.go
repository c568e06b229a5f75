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
	wall, boot int64 // ns to add
}

// start sets the first offsets: as if there had been no suspend.
func (o *offsets) start(now pipeline.Instant) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		o.known, o.wall, o.boot = true, now.Wall.UnixNano()-int64(now.Boot), 0
	}
}

// measure takes the clocks, in ns, as a record with that stamp was read that was
// just written.
func (o *offsets) measure(wall, boot, microseconds int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	move(&o.wall, wall-microseconds*1000)
	move(&o.boot, boot-microseconds*1000)
}

func move(offset *int64, measured int64) {
	if off := measured - *offset; off > int64(tolerance) || off < -int64(tolerance) {
		*offset = measured
	}
}

// times sets a record's times from its stamp.
func (o *offsets) times(record *Record) {
	o.mu.Lock()
	wall, boot := o.wall, o.boot
	o.mu.Unlock()
	record.Time = time.Unix(0, record.Microseconds*1000+wall)
	record.Boot = time.Duration(record.Microseconds*1000 + boot)
}
