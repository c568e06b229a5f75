package checks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of what is kept of counters.
const (
	maxCounters = 1024
	maxSamples  = 64
)

// counters remember what counters of the kernel said before, so that a check can
// tell how much one has grown. They are kept over a restart of the agent within one
// boot: what was counted while it was away is told, be it because the agent itself
// was killed. They are safe for concurrent use.
type counters struct {
	boot    string // in which they count: a reboot begins at 0
	keeping pipeline.Keeping

	mu     sync.Mutex
	byName map[string][]sample // the newest at the end
	// resumed is when an earlier agent has looked last; before that, nobody of now has.
	resumed time.Duration
}

// sample is what a counter said at a time.
type sample struct {
	At    time.Duration `json:"at"` // on the boot clock
	Value uint64        `json:"value"`
}

func newCounters(settings pipeline.Settings) *counters {
	return &counters{boot: settings.Boot.ID, keeping: settings.Keeping, byName: map[string][]sample{}}
}

// growth notes what a counter says now and returns how much it has grown in the
// last window, and in which time: that is longer where nobody looked, and shorter
// where the counter was not known before. A counter that has gone back was reset:
// what it had before is not counted.
func (c *counters) growth(name string, now, window time.Duration, value uint64) (grown uint64, in time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.byName[name]
	if n := len(list); n > 0 && (list[n-1].Value > value || list[n-1].At > now) {
		list = nil
	}
	if len(list) == 0 && !c.makeRoom(now) {
		return 0, 0
	}
	changed := len(list) == 0 || list[len(list)-1].Value != value
	if changed || now-list[len(list)-1].At >= window/(maxSamples/2) {
		list = append(list, sample{now, value})
	}
	list = thin(list, now-window)
	c.byName[name] = list
	if changed {
		c.keeping.Changed()
	} else {
		c.keeping.Moved()
	}
	return value - list[0].Value, now - list[0].At
}

// sinceBack tells how much a counter has grown since the agent has looked again, if its
// growth is reckoned from what an earlier agent saw, which was longer than most ago: ok
// is false else. What was counted before that may be old.
func (c *counters) sinceBack(name string, now, most time.Duration, value uint64) (grown uint64, in time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.byName[name]
	if len(list) == 0 || list[0].At > c.resumed || now-list[0].At <= most {
		return 0, 0, false
	}
	for _, one := range list {
		if one.At > c.resumed {
			return value - one.Value, now - one.At, true
		}
	}
	return 0, 0, true // it has not changed since
}

// gone is how long nothing must have been heard of a counter for it to be forgotten
// where there is no room for a new one: links and disks come and go.
const gone = 2 * time.Hour

// makeRoom tells whether there is room for one more counter.
func (c *counters) makeRoom(now time.Duration) bool {
	if len(c.byName) < maxCounters {
		return true
	}
	maps.DeleteFunc(c.byName, func(_ string, list []sample) bool {
		return len(list) > 0 && now-list[len(list)-1].At > gone
	})
	return len(c.byName) < maxCounters
}

// thin drops the samples that are older than the last one before begin, and of what
// is left the older ones where there are too many: the growth then counts for less
// long than it should, never for more.
func thin(list []sample, begin time.Duration) []sample {
	for len(list) > 1 && list[1].At <= begin {
		list = list[1:]
	}
	if len(list) > maxSamples {
		list = append(list[:1:1], list[len(list)-maxSamples+1:]...)
	}
	return list
}

// keptCounters is what outlives the agent.
type keptCounters struct {
	Boot     string              `json:"boot"`
	Counters map[string][]sample `json:"counters"`
}

func (c *counters) keep() pipeline.Encode {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := keptCounters{Boot: c.boot, Counters: make(map[string][]sample, len(c.byName))}
	for name, list := range c.byName {
		kept.Counters[name] = append([]sample(nil), list...)
	}
	return func() ([]byte, error) { return json.Marshal(kept) }
}

func (c *counters) resume(text []byte) error {
	var kept keptCounters
	if err := json.Unmarshal(text, &kept); err != nil {
		return fmt.Errorf("read what counters said: %w", err)
	}
	if kept.Boot != c.boot {
		return nil
	}
	if len(kept.Counters) > maxCounters {
		return fmt.Errorf("read what counters said: there are more than %d", maxCounters)
	}
	for name, list := range kept.Counters {
		if err := inOrder(list); err != nil {
			return fmt.Errorf("read what the counter %.100q said: %w", name, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byName = kept.Counters
	if c.byName == nil {
		c.byName = map[string][]sample{}
	}
	c.resumed = 0
	for _, list := range c.byName {
		if n := len(list); n > 0 {
			c.resumed = max(c.resumed, list[n-1].At)
		}
	}
	return nil
}

func inOrder(list []sample) error {
	if len(list) > maxSamples+1 {
		return errors.New("it has too many samples")
	}
	for i := 1; i < len(list); i++ {
		if list[i].At < list[i-1].At || list[i].Value < list[i-1].Value {
			return errors.New("its samples are not in order")
		}
	}
	return nil
}
