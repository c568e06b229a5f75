package journal

import (
	"errors"
	"fmt"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// Next reads the next entry; false: there is none yet. What is written after the last
// Refresh, or Open, is not looked at.
func (r *Reader) Next(e *Entry) bool { return r.step(e, forward) }

// Previous reads the entry before; false: there is none.
func (r *Reader) Previous(e *Entry) bool { return r.step(e, backward) }

func (r *Reader) step(e *Entry, towards direction) bool {
	r.turn(towards)
	for {
		f := r.first()
		if f == nil || r.halted {
			r.caughtUp = towards == forward && !r.halted
			return false
		}
		f.peeked, f.ready = false, false
		err := f.i.Read(e)
		if errors.Is(err, journalfile.ErrDamaged) {
			f.checked = false // it may be gone altogether
			continue          // counted
		}
		if err != nil { // it is tried again
			f.stepBack(towards)
			r.fail(f, err)
			continue
		}
		r.location, r.between = e.Key, false
		if len(r.failures) > 0 {
			delete(r.failures, f.inode)
		}
		if towards == forward {
			f.series.told = e.Seqnum
		}
		return true
	}
}

// turn makes the reader go in a direction.
func (r *Reader) turn(towards direction) {
	if r.direction == towards {
		return
	}
	r.direction = towards
	r.setTold(map[journalfile.ID]uint64{r.location.SeqnumID: r.location.Seqnum})
	for _, f := range r.files {
		f.peeked, f.ready, f.unsettled = false, false, r.location != journalfile.Key{}
		f.stepBack(towards)
	}
}

// first returns the file whose next entry comes first; nil: there is none.
func (r *Reader) first() (first *file) {
	for _, f := range r.files {
		if !r.settle(f) {
			continue
		}
		if first == nil || compare(&f.head, &first.head) == -int(r.direction) {
			first = f
		}
	}
	return first
}

// settle goes to the file's next entry that is to be told; false: there is none now.
func (r *Reader) settle(f *file) bool {
	if f.ready && (r.between || compare(&f.head, &r.location) == int(r.direction)) {
		return true
	}
	for f.ready = false; !f.failed; {
		ok, err := f.peek(r.direction)
		if err != nil {
			r.fail(f, err)
		}
		if damaged := f.Stats().Damaged; damaged != f.damaged {
			f.damaged, f.checked = damaged, false
		}
		switch {
		case err != nil || !ok:
			r.isAlive(f)
			return false
		case f.damaged > 0 && !r.isAlive(f):
			return false
		case f.unsettled && !r.isAhead(&f.head):
			f.peeked = false
		case r.direction == forward && f.head.Seqnum > f.Header().TailSeqnum && (f.refreshed || f.isFinal()):
			f.peeked = false // the file has no such number, and it would hide all others
			r.stats.Damaged++
		case r.direction == forward && !f.isFinal() && f.head.Seqnum > f.series.horizon:
			return false
		case r.direction == forward && r.wasTold(f):
			f.peeked = false
			r.stats.Duplicates++
		case r.direction == backward && !r.between && compare(&f.head, &r.location) == 0:
			f.peeked = false
			r.stats.Duplicates++
		default:
			f.unsettled, f.ready = false, true
			return true
		}
	}
	return false
}

// isAhead tells whether an entry is ahead of where the reader stands, in its
// direction.
func (r *Reader) isAhead(key *journalfile.Key) bool {
	order := compare(key, &r.location)
	return order == int(r.direction) || order == 0 && r.between && r.direction == backward
}

// wasTold tells whether a file's next entry has been told: of its series by the
// number; a copy in another series, which comes late, by its original.
func (r *Reader) wasTold(f *file) bool {
	if f.head.Seqnum <= f.series.told {
		return true
	}
	if r.location == (journalfile.Key{}) || f.head.SeqnumID == r.location.SeqnumID || compare(&f.head, &r.location) > 0 {
		return false
	}
	for _, other := range r.files {
		if other.series == f.series || other.series.told == 0 {
			continue
		}
		if found, err := other.has(&f.head); err == nil && found {
			return true
		}
	}
	return false
}

// fail notes that a file cannot be read for now. Nothing is told then until the next
// Refresh, or entries of other files would come before its own; but one that stays
// unreadable does not hold up the others for ever.
func (r *Reader) fail(f *file, err error) {
	f.peeked, f.ready, f.drained, f.failed = false, false, false, true
	r.failures[f.inode]++
	r.halted = r.halted || r.failures[f.inode] <= maxFailures
	r.faults[f.path] = fmt.Errorf("read the journal file %s: %w", f.path, err)
}
