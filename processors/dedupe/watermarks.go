package dedupe

import (
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
)

// maxSources is how many sources are remembered.
const maxSources = 1024

// Watermark is the last place that a receiver has passed on of a source. Two
// receivers on one source have one each.
type Watermark struct {
	// Receiver is the receiver's id.
	Receiver string
	// Place is that of the line with the highest position.
	Place pipeline.Place
}

func (w *Watermark) covers(record *pipeline.Record) bool {
	return w.Receiver == record.Receiver && w.Place.SameSequence(record.Place)
}

func (w *Watermark) sameSource(other Watermark) bool {
	return w.Receiver == other.Receiver && w.Place.SameSequence(other.Place)
}

// watermarks are the sources' watermarks, the one used last at the end.
type watermarks struct {
	all []Watermark
	// before holds what the batch under way has changed, as it was, and
	// added the sources that are new in it.
	before []Watermark
	added  []Watermark
}

// begin starts a batch.
func (w *watermarks) begin() { w.before, w.added = w.before[:0], w.added[:0] }

// advance moves the watermark of a line's source up to the line. It tells whether
// the line is new, and not at or below the watermark.
func (w *watermarks) advance(record *pipeline.Record) bool {
	mark := w.find(record)
	if mark == nil {
		w.add(Watermark{Receiver: strings.Clone(record.Receiver), Place: clone(record.Place)})
		return true
	}
	if record.Place.Position <= mark.Place.Position {
		return false
	}
	if last := len(w.before) - 1; last < 0 || !w.before[last].covers(record) {
		w.before = append(w.before, *mark)
	}
	mark.Place.Position = record.Place.Position
	return true
}

// changed tells whether the batch under way has moved any.
func (w *watermarks) changed() bool { return len(w.before)+len(w.added) > 0 }

// undo takes back the batch under way: nobody has accepted it.
func (w *watermarks) undo() {
	for _, old := range slices.Backward(w.before) {
		if at := slices.IndexFunc(w.all, old.sameSource); at >= 0 {
			w.all[at] = old
		}
	}
	for _, fresh := range w.added {
		w.all = slices.DeleteFunc(w.all, fresh.sameSource)
	}
}

// find returns the watermark of a line's source, moved to the end; nil if there
// is none. Most lines come from the source of the line before.
func (w *watermarks) find(record *pipeline.Record) *Watermark {
	for i := len(w.all) - 1; i >= 0; i-- {
		if !w.all[i].covers(record) {
			continue
		}
		last := len(w.all) - 1
		if i != last {
			mark := w.all[i]
			copy(w.all[i:], w.all[i+1:])
			w.all[last] = mark
		}
		return &w.all[last]
	}
	return nil
}

// add remembers a source; if there are too many, the one that was silent for
// longest is forgotten, and its lines would pass again.
func (w *watermarks) add(mark Watermark) {
	if len(w.all) == maxSources {
		w.all = slices.Delete(w.all, 0, 1)
	}
	w.all = append(w.all, mark)
	w.added = append(w.added, mark)
}

// clone returns a place that shares no memory with a batch.
func clone(place pipeline.Place) pipeline.Place {
	place.Scope, place.Source = strings.Clone(place.Scope), strings.Clone(place.Source)
	return place
}
