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
	// that number itself, which may be about to be written; whole is the number up to
	// which all can be.
	horizon, whole uint64
	// end is the newest entry, at the last Refresh.
	end Cursor
	// reached is up to which all was read before the last Refresh; files that are closed
	// have nothing behind it.
	reached uint64
	// incomplete tells that a file of it is gone, and perhaps had not been read.
	incomplete bool
	// gaps are those that were told, lost is where one began when nobody knew where it
	// ended.
	gaps []Gap
	lost uint64
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
		s.told, s.reached, s.gaps, s.lost, s.incomplete = 0, 0, nil, 0, false
	}
	for id, seqnum := range told {
		r.seriesOf(id).told = seqnum
	}
}

// setHorizons notes how far the files reach.
func (r *Reader) setHorizons() {
	for _, s := range r.series {
		s.horizon, s.whole = 0, 0
	}
	for _, f := range r.files {
		header := f.Header()
		f.series.horizon = max(f.series.horizon, header.TailSeqnum)
		whole := header.Whole()
		if f.isFinal() {
			whole = header.TailSeqnum
		}
		f.series.whole = max(f.series.whole, whole)
	}
}

// noteEnds notes the newest entry of each series, if it is another one.
func (r *Reader) noteEnds() {
	for _, f := range r.files {
		if f.Header().HeadSeqnum == 0 || f.Header().TailSeqnum <= f.series.end.Seqnum {
			continue
		}
		if last, ok, err := f.last(); ok && err == nil && last.Seqnum > f.series.end.Seqnum {
			f.series.end = Cursor(last)
		}
	}
}
