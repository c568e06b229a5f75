package replay

import (
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Clock shows the time of the newest record that was read. It never goes back.
// It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now pipeline.Instant
}

var _ pipeline.Clock = (*Clock)(nil)

// NewClock returns a clock that shows start until the first record is read.
func NewClock(start pipeline.Instant) *Clock { return &Clock{now: start} }

// Now returns the time of the newest record.
func (c *Clock) Now() pipeline.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// follow moves the clock to a record's time. The first one may set it back: a
// saved log is older than the start of the agent.
func (c *Clock) follow(wall time.Time, boot time.Duration, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first || wall.After(c.now.Wall) {
		c.now.Wall = wall
	}
	if first || boot > c.now.Boot {
		c.now.Boot = boot
	}
}
