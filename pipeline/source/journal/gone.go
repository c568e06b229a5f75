package journal

import (
	"cmp"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// Gap says that entries of a series are gone which were not read. The same loss has the
// same numbers, from wherever it is looked at.
type Gap struct {
	// Series is the id of the series.
	Series journalfile.ID
	// First and Last are the first and the last number that is missing. Where nothing of
	// the series is left, nobody knows the last: it is 0.
	First, Last uint64
	// Missing is how many numbers from First to Last are, of any entries, those included
	// that would not have matched; 0: nobody knows.
	Missing uint64
}

// noteReached notes, before anything new is looked at, how far each series was read.
func (r *Reader) noteReached() {
	for _, s := range r.series {
		s.reached = max(s.reached, s.told)
		if r.caughtUp && !s.incomplete { // else what is gone is not told yet
			s.reached = max(s.reached, s.whole)
		}
	}
	r.caughtUp = false
}

// bury closes a file whose content is gone. What of it was not read is missing.
func (r *Reader) bury(f *file) {
	f.series.incomplete = true
	r.stats.add(f.Stats())
	_ = f.Close() // it was only read
}

// isAlive tells whether the file's content is there still, and buries it if not.
// journald empties files before it deletes them; what seems to be the end, or damage,
// may be that. Then no more is told until the next Refresh, which finds the gap.
func (r *Reader) isAlive(f *file) bool {
	if f.checked {
		return true
	}
	f.checked = true
	if !isGone(f.Check()) {
		return true
	}
	r.files = slices.DeleteFunc(slices.Clone(r.files), func(one *file) bool { return one == f })
	r.bury(f)
	r.halted = true
	return false
}

// lookForGaps finds out what of the series is gone that may be.
func (r *Reader) lookForGaps() {
	for id, s := range r.series {
		if s.incomplete {
			r.addGap(r.gapOf(id, s, s.reached))
		}
	}
}

// addGap keeps a gap until it is taken; one of the same series becomes longer.
func (r *Reader) addGap(gap *Gap) {
	if gap == nil {
		return
	}
	at := slices.IndexFunc(r.gaps, func(g Gap) bool { return g.Series == gap.Series })
	if at < 0 {
		r.gaps = append(r.gaps, *gap)
		return
	}
	before := &r.gaps[at]
	if before.Last != 0 {
		before.Last, before.Missing = gap.Last, before.Missing+gap.Missing
	}
	if before.Last == 0 {
		before.Missing = 0
	}
}

// TakeGaps returns, once, what was removed before it was read while the reader was
// following, at most one gap of a series.
func (r *Reader) TakeGaps() []Gap {
	gaps := r.gaps
	r.gaps = nil
	return gaps
}

// gapOf looks for what of a series is missing behind a number; nil: nothing, or it has
// been told. Where that cannot be seen now it is looked for again at the next Refresh.
func (r *Reader) gapOf(id journalfile.ID, s *series, from uint64) *Gap {
	s.incomplete = false
	if from = s.forgetGaps(from); from == 0 {
		return nil // nothing says where it should begin
	}
	files := r.filesOf(id)
	if len(files) == 0 {
		s.incomplete = len(r.files) == 0 // perhaps they are not mounted yet
		return s.unknownGap(id, from, s.incomplete)
	}
	if slices.ContainsFunc(files, func(f *file) bool { return f.failed }) {
		s.incomplete = true // nothing is told meanwhile
		return nil
	}
	c := newCount(files, from)
	c.told = s.gaps
	upTo := min(s.whole, c.greatest)
	gap := &Gap{Series: id, Missing: c.missing(upTo)}
	var runs []Gap
	if gap.Missing > 0 {
		gap.First, gap.Last = c.least(upTo, 1), c.least(upTo, gap.Missing)
		runs = c.runs(gap)
	}
	switch {
	case c.err != nil:
		s.incomplete = true
		return nil
	case gap.Missing == 0:
		return nil
	case r.buryDead(files): // while they were looked at
		return r.gapOf(id, s, from)
	}
	s.gaps = append(s.gaps, runs...)
	if gap.First == s.told+1 && gap.Last-s.told == gap.Missing {
		s.told = min(gap.Last, max(s.told, s.horizon-1)) // all up to there is told or gone
	}
	return gap
}

const (
	// maxGaps bounds how many gaps are remembered that were told, and are ahead of what
	// was read.
	maxGaps = 64
	// maxRuns bounds how many parts of one gap are told apart.
	maxRuns = 16
)

// forgetGaps forgets the gaps that need not be known behind a number, and returns from
// where on gaps are to be looked for: where not all that was told is known by its
// numbers, what else was there is taken for told.
func (s *series) forgetGaps(from uint64) uint64 {
	s.gaps = slices.DeleteFunc(s.gaps, func(g Gap) bool { return g.Last <= from })
	if len(s.gaps) > maxGaps {
		end := slices.MaxFunc(s.gaps, func(a, b Gap) int { return cmp.Compare(a.Last, b.Last) })
		s.gaps = []Gap{{Last: end.Last}}
	}
	for _, g := range s.gaps {
		if !g.isWhole() {
			from = max(from, g.Last)
		}
	}
	return from
}

// isWhole tells whether all numbers from the first to the last are missing.
func (g *Gap) isWhole() bool { return g.Missing == g.Last-g.First+1 }

// buryDead buries those files whose content is gone, and tells whether there are any.
func (r *Reader) buryDead(files []*file) (found bool) {
	for _, f := range files {
		if isGone(f.Check()) {
			r.files = slices.DeleteFunc(r.files, func(one *file) bool { return one == f })
			r.bury(f)
			found = true
		}
	}
	return found
}

func (s *series) unknownGap(id journalfile.ID, from uint64, unsure bool) *Gap {
	if unsure || s.lost == from+1 {
		return nil
	}
	s.lost = from + 1
	return &Gap{Series: id, First: s.lost}
}

// filesOf returns the files of a series, of copies one.
func (r *Reader) filesOf(id journalfile.ID) (files []*file) {
	known := map[journalfile.ID]bool{}
	for _, f := range r.files {
		header := f.Header()
		if header.SeqnumID == id && !known[header.FileID] {
			known[header.FileID] = true
			files = append(files, f)
		}
	}
	return files
}
