package journal

import (
	"errors"
	"os"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// maxRounds bounds how often a Refresh looks for new files.
const maxRounds = 4

// maxFailures is how often a file that cannot be read holds up the others.
const maxFailures = 3

// Refresh looks for new files and entries. All that was written before it was called
// is then found by Next.
//
// The entries of a series are spread over several files: journald writes those of
// users into files of their own. So that one is never told before another with a
// smaller number, all headers are read twice: up to the greatest number that the first
// reading shows, the second, and the look for new files between the two, find every
// entry.
func (r *Reader) Refresh() {
	clear(r.faults)
	r.halted = false
	r.noteReached()
	found := true
	for round := 0; found && round < maxRounds; round++ {
		r.refreshFiles()
		r.setHorizons()
		if len(r.files) >= r.options.MaxFiles {
			r.closeFinished()
		}
		found = r.scan()
	}
	r.refreshFiles()
	r.noteEnds()
	if !found { // else there may be files that were not seen yet
		r.lookForGaps()
	}
	r.closeFinished()
}

func (r *Reader) refreshFiles() {
	r.files = slices.DeleteFunc(r.files, func(f *file) bool {
		f.failed, f.refreshed, f.checked = false, true, false
		before := f.Header().Entries
		err := f.Refresh()
		f.grown = f.grown || f.Header().Entries > before
		if err == nil && f.unplaced {
			r.place(f)
			return false
		}
		if err != nil && !isGone(err) {
			r.fail(f, err)
		}
		lost := err != nil && r.failures[f.inode] == maxFailures+1
		r.halted = r.halted || lost // until the scan has opened it anew, if it is there
		if isGone(err) || lost {
			r.bury(f)
			return true
		}
		return false
	})
}

func isGone(err error) bool {
	return errors.Is(err, journalfile.ErrErased) || errors.Is(err, journalfile.ErrReplaced)
}

// closeFinished closes the files that are finished and read to their end, as is all that
// comes before in their series: who looks for gaps must know what they had.
func (r *Reader) closeFinished() {
	if r.options.Keep || r.direction == backward {
		return
	}
	r.files = slices.DeleteFunc(r.files, func(f *file) bool {
		if !f.isFinal() || !f.drained || f.peeked || f.Header().TailSeqnum > f.series.reached || r.faults[f.path] != nil {
			return false
		}
		// What was written before it became final is in the file now.
		if ok, err := f.peek(forward); ok || err != nil {
			return false
		}
		r.finish(f)
		return true
	})
}

func (r *Reader) finish(f *file) {
	r.stats.add(f.Stats())
	if info, err := os.Stat(f.path); err == nil {
		if id, ok := inodeOf(info); ok && id == f.inode {
			r.finished[id] = stamp{size: info.Size(), modified: info.ModTime(), seen: true}
		}
	}
	_ = f.Close() // it was only read
}
