package nodeevents

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// When a summary is due.
const (
	// floodQuiet ends a flood: nothing was suppressed for so long.
	floodQuiet = 30 * time.Second
	// floodLength is how long a flood that goes on remains untold.
	floodLength = 10 * time.Minute
	// summaryGap is between two summaries.
	summaryGap = time.Minute
)

const (
	// floodReasons is how many reasons are told apart in a flood.
	floodReasons = 128
	// shownReasons is how many of them the summary names.
	shownReasons = 10
)

// cause is why an occurrence was suppressed.
type cause uint8

const (
	overBudget cause = iota
	tooOld
	overflow
	causes // how many there are
)

// String returns the cause as a summary tells it.
func (c cause) String() string {
	switch c {
	case overBudget:
		return "over the budget"
	case tooOld:
		return "too old"
	case overflow:
		return "for lack of room"
	default:
		return fmt.Sprintf("cause(%d)", uint8(c))
	}
}

// flood gathers what was suppressed and not told yet.
type flood struct {
	// Reasons has how many occurrences of which reason there were, Others how many
	// of all other reasons.
	Reasons map[string]int64 `json:"reasons,omitempty"`
	Others  int64            `json:"others,omitempty"`
	// Causes has how many for which cause.
	Causes [causes]int64 `json:"causes"`
	// From and To are the earliest and the latest time of an occurrence.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`

	began, last time.Duration // boot clock
}

// suppressed is what a flood takes in: so many occurrences of a series.
type suppressed struct {
	reason   string
	cause    cause
	count    int64
	from, to time.Time
}

// add takes in what was suppressed and tells whether a flood began with it.
func (f *flood) add(boot time.Duration, what suppressed) (began bool) {
	began = f.total() == 0
	if began {
		*f = flood{Reasons: map[string]int64{}, From: what.from, To: what.to, began: boot}
	}
	f.last = boot
	f.Causes[what.cause] += what.count
	if _, known := f.Reasons[what.reason]; known || len(f.Reasons) < floodReasons {
		f.Reasons[what.reason] += what.count
	} else {
		f.Others += what.count
	}
	if what.from.Before(f.From) {
		f.From = what.from
	}
	if what.to.After(f.To) {
		f.To = what.to
	}
	return began
}

func (f *flood) total() (n int64) {
	for _, count := range f.Causes {
		n += count
	}
	return n
}

// due is when the flood is to be told, by the boot clock.
func (f *flood) due() time.Duration { return min(f.last+floodQuiet, f.began+floodLength) }

// uid is the flood's identity, by its span.
func (f *flood) uid(node string) pipeline.UID {
	return pipeline.CauseUID("events-suppressed", node, f.From.UTC().Format(time.RFC3339Nano), f.To.UTC().Format(time.RFC3339Nano))
}

// String tells of the flood: how many, when, why and where to look first, so that
// long reasons cut none of that off.
func (f *flood) String() string {
	return fmt.Sprintf("Occurrences without an Event: %d (%s), from %s to %s. Look into the log of otelnpd, the node's own logs "+
		"and the metrics problem_counter and otelnpd_kubernetes_events_total. Reasons: %s",
		f.total(), f.causes(), f.From.UTC().Format(time.RFC3339), f.To.UTC().Format(time.RFC3339), f.reasons())
}

func (f *flood) causes() string {
	var parts []string
	for c, count := range f.Causes {
		if count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count, cause(c)))
		}
	}
	return strings.Join(parts, ", ")
}

func (f *flood) reasons() string {
	names := slices.SortedFunc(maps.Keys(f.Reasons), func(x, y string) int {
		return cmp.Or(cmp.Compare(f.Reasons[y], f.Reasons[x]), cmp.Compare(x, y))
	})
	others := f.Others
	var parts []string
	for i, name := range names {
		if i < shownReasons {
			parts = append(parts, fmt.Sprintf("%s %d", name, f.Reasons[name]))
		} else {
			others += f.Reasons[name]
		}
	}
	if others > 0 {
		parts = append(parts, fmt.Sprintf("others %d", others))
	}
	return strings.Join(parts, ", ")
}
