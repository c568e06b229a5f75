package journal

import "github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"

// maxSeries bounds how many series are known, and kept in a position.
const maxSeries = 256

// series is what is known of the entries that one journald numbers, in whatever files
// they are.
type series struct {
	// told is the number up to which all that matches was told.
	told uint64
	// horizon is the number up to which every entry can be found, but for the one of
	// that number itself, which may be about to be written.
	horizon uint64
}

// seriesOf returns what is known of a series.
func (r *Reader) seriesOf(id journalfile.ID) *series {
	s := r.series[id]
	if s == nil {
		r.forgetSeries()
		s = &series{}
		r.series[id] = s
	}
	return s
}

// forgetSeries makes room by those that no file is of.
func (r *Reader) forgetSeries() {
	if len(r.series) < maxSeries {
		return
	}
	used := map[journalfile.ID]bool{}
	for _, f := range r.files {
		used[f.Header().SeqnumID] = true
	}
	for id := range r.series {
		if !used[id] {
			delete(r.series, id)
		}
	}
}

// setTold notes what was told of all series, and of no others.
func (r *Reader) setTold(told map[journalfile.ID]uint64) {
	for _, s := range r.series {
		s.told = 0
	}
	for id, seqnum := range told {
		r.seriesOf(id).told = seqnum
	}
}

// setHorizons notes how far the files reach.
func (r *Reader) setHorizons() {
	for _, s := range r.series {
		s.horizon = 0
	}
	for _, f := range r.files {
		f.series.horizon = max(f.series.horizon, f.Header().TailSeqnum)
	}
}
