package pstore

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// bootSpan is a boot in which a receiver of this agent has run.
type bootSpan struct {
	ID string `json:"id"`
	// Start is when it began, by the wall clock of then.
	Start time.Time `json:"start"`
	// Seen is the kernel's clock at the last cut: what was told until then, others
	// have read live and told.
	Seen time.Duration `json:"seen_ns"`
}

// slack is how far a time on the kernel's clock may be off after so long: 5 s, and
// 100 ppm, which is more than clocks of computers drift apart.
func slack(since time.Duration) time.Duration { return 5*time.Second + since/10_000 }

// isOf tells whether a dump that was saved at crash, with its newest line stamped
// at, is of a boot that began at start.
func isOf(start, crash time.Time, at time.Duration) bool {
	return crash.Add(-at).Sub(start).Abs() <= slack(at)
}

// bootOf finds the boot that a dump is of among those that are known.
func bootOf(boots []bootSpan, crash time.Time, at time.Duration) *bootSpan {
	for i := range boots {
		if isOf(boots[i].Start, crash, at) {
			return &boots[i]
		}
	}
	return nil
}

// date works out when a dump was saved and which boot it is of. What the clock
// cannot have shown, or what no backend has noted (then the file is as old as the
// mount), is taken for the last moment that it can have been: the start of this boot.
func (r *Receiver) date(d *dump, lines []line) {
	if start := r.settings.Boot.Start; d.crash.After(start) || d.crash.Before(unsetClock) {
		d.crash = start
	}
	at := lastStamp(lines)
	d.boot = pipeline.BootTime{ID: "pstore-" + d.id(), At: at}
	if boot := bootOf(r.earlierBoots(), d.crash, at); boot != nil {
		d.boot.ID = boot.ID
		d.known = toldUntil(lines, boot.Seen-slack(boot.Seen))
	}
}

// toldUntil returns how many of the first lines are not newer than a stamp.
func toldUntil(lines []line, seen time.Duration) int {
	for i := len(lines) - 1; i >= 0; i-- {
		if hasStamp(&lines[i].Record) && lines[i].Boot <= seen {
			return i + 1
		}
	}
	return 0
}

// isOfThisBoot tells whether a dump is of the boot that runs: the kernel has saved an
// oops and lived on. Its log tells of that.
func (r *Receiver) isOfThisBoot(d *dump, lines []line) bool {
	switch d.reason() {
	case reasonOops, reasonUnknown:
		return d.kind() == typeDmesg && lastStamp(lines) > 0 && isOf(r.settings.Boot.Start, d.crash, lastStamp(lines))
	default:
		return false
	}
}
