package journal

import "github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"

// Position is how far a reader has come.
type Position struct {
	// Cursor is of the entry that was read last.
	Cursor Cursor `json:"cursor"`
	// Told are, by the ids of series, the numbers up to which each was read: a journal
	// that several journalds write has several.
	Told map[string]uint64 `json:"told,omitempty"`
}

// Position returns how far the reader has come, going forward; the cursor is zero
// where nothing was read.
func (r *Reader) Position() Position {
	p := Position{Cursor: Cursor(r.location), Told: map[string]uint64{}}
	for _, f := range r.files { // the others are gone
		seqnum := f.series.told
		if r.caughtUp && f.series.horizon > 0 {
			seqnum = max(seqnum, f.series.horizon-1)
		}
		if seqnum > 0 && len(p.Told) < maxSeries {
			p.Told[f.Header().SeqnumID.String()] = seqnum
		}
	}
	if !p.Cursor.IsZero() {
		id := p.Cursor.SeqnumID.String()
		p.Told[id] = max(p.Told[id], p.Cursor.Seqnum)
	}
	return p
}

// Gap says that entries behind a position are gone.
type Gap struct {
	// Missing is how many sequence numbers are, of any entries, those included that
	// would not have matched; Known tells whether that is known.
	Missing uint64
	Known   bool
}

// Resume goes behind the entry of a position. Where that is gone, it goes to the next
// of its series; where the series is gone, to what is later in the same boot; else to
// what is later by wall time. The gap is nil where nothing is missing.
func (r *Reader) Resume(p Position) *Gap {
	told := map[journalfile.ID]uint64{}
	for text, seqnum := range p.Told {
		if id, err := journalfile.ParseID(text); err == nil {
			told[id] = seqnum
		}
	}
	c := p.Cursor
	told[c.SeqnumID] = max(told[c.SeqnumID], c.Seqnum)
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
	r.location = journalfile.Key(c)
	return r.gapBehind(c, told[c.SeqnumID])
}

// gapBehind looks for the entry of a number in the cursor's series, and else for the
// one behind it.
func (r *Reader) gapBehind(c Cursor, seqnum uint64) *Gap {
	next, series := uint64(0), false
	for _, f := range r.files {
		header := f.Header()
		if header.SeqnumID != c.SeqnumID {
			continue
		}
		series = true
		if f.all.SeekSeqnum(seqnum) != nil {
			continue
		}
		key, ok, err := f.all.Next()
		switch {
		case err != nil || !ok:
		case key.Seqnum == seqnum:
			return nil
		case next == 0 || key.Seqnum < next:
			next = key.Seqnum
		}
	}
	switch {
	case len(r.files) == 0 || next == seqnum+1:
		return nil
	case series && next > 0:
		return &Gap{Missing: next - seqnum - 1, Known: true}
	default:
		return &Gap{}
	}
}
