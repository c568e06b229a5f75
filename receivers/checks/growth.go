package checks

import (
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of a window in which a counter's growth counts.
const (
	minWindow = time.Minute
	maxWindow = 24 * time.Hour
)

func validateWindow(d time.Duration) error {
	if d < minWindow || d > maxWindow {
		return pipeline.At("window", fmt.Errorf("%s is out of range: write %s to %s", d, minWindow, maxWindow))
	}
	return nil
}

// growth is how much a counter has grown within a window.
type growth struct {
	n    uint64
	in   time.Duration // at most the window, or since somebody looked
	most uint64        // 0, or how much it may have been where nobody has looked for so long
}

// growth notes what a counter says and returns how much it has grown. Of what was
// counted while the agent was away for longer than two windows nobody knows whether it
// is of late: a problem goes on for it, and none begins.
func (s *system) growth(name string, window time.Duration, value uint64) growth {
	n, in := s.counters.growth(name, s.clock.Now().Boot, window, value)
	g := growth{n: n, in: in.Round(time.Second)}
	if in < window {
		g.most = value
	}
	if grown, since, back := s.counters.sinceBack(name, s.clock.Now().Boot, 2*window, value); back {
		g = growth{n: grown, in: since.Round(time.Second), most: n}
	}
	return g
}

// figure makes a figure of it; format has places for the number and the time.
func (g growth) figure(format string) figure {
	return figure{value: float64(g.n), atMost: float64(g.most), text: fmt.Sprintf(format, decimal(float64(g.n)), g.in)}
}
