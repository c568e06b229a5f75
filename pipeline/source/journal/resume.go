package journal

import "github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"

// Position is how far a reader has come.
type Position struct {
	// Cursor is of the entry that was read last.
	Cursor Cursor `json:"cursor"`
	// Told are, by the ids of series, the numbers up to which each was read: a journal
	// that several journalds write has several.
	Told map[string]uint64 `json:"told,omitempty"`
	// Ends are, by the ids of series, the newest entries that had been written then, or
	// later ones. They show that numbers were given anew.
	Ends map[string]Cursor `json:"ends,omitempty"`
}

// Position returns how far the reader has come, going forward; the cursor is zero
// where nothing was read.
func (r *Reader) Position() Position {
	p := Position{Cursor: Cursor(r.location), Told: map[string]uint64{}, Ends: map[string]Cursor{}}
	for _, f := range r.files { // the others are gone
		seqnum, id := f.series.told, f.Header().SeqnumID.String()
		if r.caughtUp && !f.series.incomplete && f.series.horizon > 0 { // a damaged header may promise more than there is
			seqnum = max(seqnum, min(f.series.horizon-1, f.series.end.Seqnum))
		}
		if seqnum > 0 && len(p.Told) < maxSeries {
			p.Told[id] = seqnum
		}
		if end := f.series.end; seqnum > 0 && p.Told[id] > 0 && !end.IsZero() {
			p.Ends[id] = end
		}
	}
	if !p.Cursor.IsZero() {
		id := p.Cursor.SeqnumID.String()
		p.Told[id] = max(p.Told[id], p.Cursor.Seqnum)
	}
	return p
}

// Resume goes behind the entry of a position. Where that is gone, it goes to the next
// of its series; where the series is gone, to what is later in the same boot; else to
// what is later by wall time. It returns what is gone that was not read.
func (r *Reader) Resume(p Position) []Gap {
	c := p.Cursor
	told := told(&p)
	renumbered := map[journalfile.ID]bool{}
	for id, seqnum := range told {
		if last := r.lastKept(id, seqnum, endOf(&p, id, seqnum)); last > 0 && last < seqnum {
			told[id], renumbered[id] = last, true
		}
	}
	r.begin(func(f *file) error {
		if seqnum := told[f.Header().SeqnumID]; seqnum > 0 {
			return f.i.SeekSeqnum(seqnum + 1)
		}
		found, err := f.i.SeekMonotonic(c.BootID, c.Monotonic+1)
		if err != nil || found {
			return err
		}
		return f.i.SeekRealtime(c.Realtime + 1)
	})
	r.setTold(told)
	r.location, r.resumed = journalfile.Key(c), true
	r.gaps = nil
	for id, seqnum := range told {
		if id == c.SeqnumID && !renumbered[id] || !renumbered[id] && len(r.filesOf(id)) > 0 {
			r.addGap(r.gapOf(id, r.seriesOf(id), seqnum))
		}
	}
	return r.TakeGaps()
}

// told returns up to which numbers a position says that was read.
func told(p *Position) map[journalfile.ID]uint64 {
	told := map[journalfile.ID]uint64{}
	for text, seqnum := range p.Told {
		if id, err := journalfile.ParseID(text); err == nil {
			told[id] = seqnum
		}
	}
	told[p.Cursor.SeqnumID] = max(told[p.Cursor.SeqnumID], p.Cursor.Seqnum)
	return told
}

// endOf returns the place of an entry that is not before what was told of a series;
// zero: none is known.
func endOf(p *Position, id journalfile.ID, told uint64) Cursor {
	for _, c := range []Cursor{p.Ends[id.String()], p.Cursor} {
		if c.SeqnumID == id && c.Seqnum >= told {
			return c
		}
	}
	return Cursor{}
}

// lastKept returns the number up to which what was told of a series is in the journal
// still, if numbers behind it were given anew; 0: none were. That is so after a
// power loss: what had not been written to the disk is gone, and journald goes on where the
// disk's file ends.
//
// What is in the journal and later than the end of that time has not been told, whatever
// its number.
func (r *Reader) lastKept(id journalfile.ID, told uint64, end Cursor) uint64 {
	files := r.filesOf(id)
	if end.IsZero() || len(files) == 0 {
		return 0
	}
	last := lastOf(files, func(f *file) (journalfile.Key, bool, error) { return f.LastOfBoot(end.BootID, end.Monotonic) })
	if last == 0 {
		last = lastOf(files, func(f *file) (journalfile.Key, bool, error) { return f.LastUntil(end.Realtime) })
	}
	if last == 0 || last >= told {
		return 0
	}
	c := newCount(files, last)
	if s := r.seriesOf(id); s.horizon >= told && c.missing(told) == told-last {
		return 0 // they are gone, and have not been given anew
	}
	if r.buryDead(files) { // while they were looked at
		return r.lastKept(id, told, end)
	}
	return last
}

// lastOf returns the greatest number of what find finds in the files.
func lastOf(files []*file, find func(*file) (journalfile.Key, bool, error)) (last uint64) {
	for _, f := range files {
		if key, found, err := find(f); err == nil && found {
			last = max(last, key.Seqnum)
		}
	}
	return last
}
