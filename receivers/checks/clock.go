package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// ClockSyncConfig is by how many seconds the node's clock may be wrong, as the kernel
// reckons: what the time service said last, and half a millisecond more for each
// second since. At 16 the kernel takes the clock for unsynchronized; that is also what
// it begins with. A node without a time service has this problem by nature: so the
// check is off.
type ClockSyncConfig struct {
	Base `yaml:",inline"`
}

// ClockJumpConfig is by how many seconds the wall clock has jumped since the last
// look, forwards or back. In the first ten minutes after a boot the time service may
// set it right, which is told by nobody.
type ClockJumpConfig struct {
	Base `yaml:",inline"`
}

// ntpPhaseLimit is where the kernel's reckoning ends (NTP_PHASE_LIMIT in
// linux/timex.h).
const ntpPhaseLimit = 16

// The condition and its reasons are those of node-problem-detector's plugin for NTP.
func defaultClockSync() ClockSyncConfig {
	return ClockSyncConfig{Base: Base{
		Condition: "NTPProblem",
		Warn:      Limit{Enter: 4, Leave: 2, For: time.Minute, Reason: "NTPIsLate"},
		Fail:      Limit{Enter: ntpPhaseLimit, For: 5 * time.Minute, Reason: "NTPIsDown"},
	}}
}

func defaultClockJump() ClockJumpConfig {
	return ClockJumpConfig{Base: Base{
		Enabled: true,
		Warn:    Limit{Enter: 5, Reason: "ClockJumped"},
		Fail:    Limit{Reason: "ClockJumped"},
	}}
}

func (c *ClockSyncConfig) entry() entry {
	return entry{
		name: "clock_sync", class: "clock-unsynchronized", unit: seconds, base: &c.Base, asks: c,
		// The clock may be wrong, since nothing sets it or what sets it has lost its source.
		// Remedy: see that chronyd, ntpd or systemd-timesyncd runs and reaches a server (`chronyc tracking`,
		// `timedatectl`).
		brings: healthyType("NTPProblem", "NTPIsUp", "ntp service is up"),
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return s.measureClock() }
		},
	}
}

func (c *ClockJumpConfig) entry() entry {
	return entry{
		name: "clock_jump", class: "clock-jump", unit: seconds, base: &c.Base, asks: c,
		measures: func(s *system) measure {
			j := jumps{clock: s.clock}
			return j.measure
		},
	}
}

const clockRemedy = "let the system call adjtimex through the filter (ProtectClock=no and SystemCallFilter=adjtimex in a unit, " +
	"the seccomp profile in a container), or turn the check off"

func (s *system) measureClock() (measured, error) {
	c, err := s.kernel.adjtimex()
	if errors.Is(err, fs.ErrPermission) { // reading it takes no right
		return measured{}, hostview.NewBlind("the kernel's state of its clock is refused by a filter of system calls", clockRemedy)
	}
	if err != nil {
		return measured{}, fmt.Errorf("ask the kernel for the state of its clock: %w", err)
	}
	f := figure{value: c.most.Seconds()}
	if f.value >= ntpPhaseLimit {
		f.value = ntpPhaseLimit
		f.text = "no time service has set the clock right for long, or ever"
	} else {
		f.text = fmt.Sprintf("the clock may be wrong by %s; the time service reckons with %s", c.most, c.estimated)
	}
	if !c.synchronized {
		f.text += "; the kernel takes it for unsynchronized"
	}
	if c.offset != 0 {
		f.text += fmt.Sprintf("; %s are still to be corrected", c.offset)
	}
	return measured{figures: []figure{f}}, nil
}

// settled is when a node's clock has been set after a boot.
const settled = 10 * time.Minute

// jumps watches the difference between the wall clock and the boot clock. Only
// setting the wall clock changes it: slewing it speeds up or slows down both.
type jumps struct {
	clock pipeline.Clock
	last  *pipeline.Instant
}

func (j *jumps) measure(context.Context) (measured, error) {
	now := steady(j.clock)
	f := figure{text: "the clock has not jumped"}
	if j.last != nil && j.last.Boot >= settled {
		jump := now.Wall.Sub(j.last.Wall) - (now.Boot - j.last.Boot)
		f.value = jump.Abs().Seconds()
		if jump != 0 {
			f.text = fmt.Sprintf("the clock was set from %s to %s, %s", j.last.Wall.Add(now.Boot-j.last.Boot).UTC().Format(time.RFC3339),
				now.Wall.UTC().Format(time.RFC3339), direction(jump))
		}
	}
	j.last = &now
	return measured{figures: []figure{f}}, nil
}

// steady reads both clocks at one moment: a process that is stopped between the two
// readings would see a jump.
func steady(clock pipeline.Clock) (now pipeline.Instant) {
	const near, most = 100 * time.Millisecond, 10
	for i := range most {
		last := now
		now = clock.Now()
		// Without the monotonic reading that Go's times carry, which does not jump.
		now.Wall = now.Wall.Round(0)
		if i > 0 && (now.Wall.Sub(last.Wall)-(now.Boot-last.Boot)).Abs() < near {
			break
		}
	}
	return now
}

func direction(jump time.Duration) string {
	if jump < 0 {
		return "back by " + (-jump).Round(time.Millisecond).String()
	}
	return "forwards by " + jump.Round(time.Millisecond).String()
}
