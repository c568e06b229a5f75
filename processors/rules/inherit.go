package rules

import (
	"cmp"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

var _ pipeline.Heir = (*processor)(nil)

// Inherit takes over the lines that the windows of the processor before it keep. What
// they say to the expressions of this one is found anew.
func (p *processor) Inherit(from pipeline.Component) {
	predecessor, ok := from.(*processor)
	if !ok {
		return
	}
	for _, w := range p.matcher.windows {
		for _, old := range predecessor.matcher.windows {
			if old.keepSpace == w.keepSpace {
				p.matcher.inherit(w, old)
			}
		}
	}
}

// inherit brings the lines of all rings, the one used last at the end, as context.
func (m *matcher) inherit(w, from *windows) {
	rings := slices.SortedFunc(slices.Values(from.rings), func(x, y *sourceRing) int { return cmp.Compare(x.used, y.used) })
	for _, old := range rings {
		record := pipeline.Record{EventName: pipeline.EventContext, Receiver: old.receiver, Place: old.place}
		for line := range old.kept {
			record.Body, record.Time = line.text, line.at
			m.contextOf(w, &record)
		}
	}
}

// keptLine is a line of a ring.
type keptLine struct {
	text []byte
	at   time.Time
}

// kept yields the lines of a ring, the oldest first, without the empty ones from
// before the first line.
func (r *ring) kept(yield func(keptLine) bool) {
	for line := max(r.oldest, len(r.starts)); line < r.count; line++ {
		end := len(r.text)
		if line+1 < r.count {
			end = r.start(line+1) - 1
		}
		if !yield(keptLine{r.text[r.start(line):end], r.times[line%len(r.times)]}) {
			return
		}
	}
}
