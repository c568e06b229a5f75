package rules

import (
	"bytes"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
)

// maxRings is how many sources' lines are kept at once.
const maxRings = 64

// windows keeps the last lines of every source for the rules that look at
// several lines together. Its rings know expressions by their number in one
// configuration: for another one, what they have seen is found anew from the
// lines that they keep.
type windows struct {
	size      int // lines a ring keeps
	keepSpace bool
	spanning  []spanning

	rings []*sourceRing
	last  *sourceRing // the one used last: most lines come from one source
	clock uint64
}

// spanning is an expression that may match over several lines.
type spanning struct {
	entry int32
	lines int
}

// sourceRing is the ring of one source of one receiver.
type sourceRing struct {
	*ring
	receiver string
	place    pipeline.Place // its position is the highest of a line so far
	used     uint64
	// seen holds, by spanning expression, the ring's count when one of its
	// literals was last in a line; until the count up to which one matters.
	seen  []int
	until int
}

func (s *sourceRing) is(record *pipeline.Record) bool {
	return s.receiver == record.Receiver && s.place.SameSequence(record.Place)
}

// push adds a line to its source's ring, and returns the ring and how many lines
// lost text or were forgotten with their source.
func (w *windows) push(record *pipeline.Record) (r *sourceRing, cut int) {
	r, cut = w.ringOf(record)
	w.clock++
	r.used = w.clock
	line := record.Body
	if !w.keepSpace {
		line = bytes.TrimSpace(line)
	}
	r.place.Position = max(r.place.Position, record.Place.Position)
	return r, cut + r.push(line, record.Time)
}

// has tells whether a line of context stands in the windows already: the position of
// its source is not new.
func (w *windows) has(record *pipeline.Record) bool {
	r := w.find(record)
	return r != nil && record.Place.Position <= r.place.Position
}

// find returns the ring of a line's source; nil if there is none.
func (w *windows) find(record *pipeline.Record) *sourceRing {
	if w.last != nil && w.last.is(record) {
		return w.last
	}
	at := slices.IndexFunc(w.rings, func(r *sourceRing) bool { return r.is(record) })
	if at < 0 {
		return nil
	}
	w.last = w.rings[at]
	return w.last
}

func (w *windows) ringOf(record *pipeline.Record) (r *sourceRing, forgotten int) {
	if r = w.find(record); r != nil {
		return r, 0
	}
	at, forgotten := w.newRing()
	w.last = w.rings[at]
	w.last.receiver = strings.Clone(record.Receiver)
	w.last.place = clonePlace(record.Place)
	return w.last, forgotten
}

// newRing makes room for a source: where there is none left, the one that was
// silent for longest is forgotten.
func (w *windows) newRing() (at, forgotten int) {
	fresh := &sourceRing{ring: newRing(w.size), seen: make([]int, len(w.spanning))}
	if len(w.rings) < maxRings {
		w.rings = append(w.rings, fresh)
		return len(w.rings) - 1, 0
	}
	for i, r := range w.rings {
		if r.used < w.rings[at].used {
			at = i
		}
	}
	old := w.rings[at]
	w.rings[at] = fresh
	return at, min(old.count-w.size, w.size)
}

// note remembers that the newest line holds a literal of a spanning expression.
func (w *windows) note(r *sourceRing, number int) {
	r.seen[number] = r.count
	r.until = max(r.until, r.count+w.spanning[number].lines-1)
}

// active appends the spanning expressions of whose literals one stands in the
// lines that they look at.
func (w *windows) active(r *sourceRing, to []int32) []int32 {
	if r.count > r.until {
		return to
	}
	for number, s := range w.spanning {
		if seen := r.seen[number]; seen > 0 && r.count-seen < s.lines {
			to = append(to, s.entry)
		}
	}
	return to
}

// clonePlace returns a place that shares no memory with a batch.
func clonePlace(place pipeline.Place) pipeline.Place {
	place.Scope, place.Source = strings.Clone(place.Scope), strings.Clone(place.Source)
	return place
}
