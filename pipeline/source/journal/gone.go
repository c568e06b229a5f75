package journal

import "slices"

// noteReached notes, before anything new is looked at, how far each series was read.
func (r *Reader) noteReached() {
	for _, s := range r.series {
		s.reached = s.told
		if r.caughtUp && s.horizon > 0 {
			s.reached = max(s.reached, s.horizon-1)
		}
	}
	r.caughtUp = false
}

// bury closes a file whose content is gone. What of it was not read is missing.
func (r *Reader) bury(f *file) {
	f.series.buried = true
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

// lookForGaps finds out what of the files that are gone was not read.
func (r *Reader) lookForGaps() {
	for id, s := range r.series {
		if !s.buried {
			continue
		}
		s.buried = false
		reached := max(s.reached, s.told)
		if gap := r.gapBehind(id, reached); reached > 0 && gap != nil {
			if r.gap == nil {
				r.gap = &Gap{Known: true}
			}
			r.gap.Missing += gap.Missing
			r.gap.Known = r.gap.Known && gap.Known
		}
	}
}

// TakeGap returns, once, what was removed before it was read while the reader was
// following; nil: nothing.
func (r *Reader) TakeGap() *Gap {
	gap := r.gap
	r.gap = nil
	return gap
}
