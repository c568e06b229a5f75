package journal

import (
	"errors"
	"os"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// maxRounds bounds how often a Refresh looks for new files.
const maxRounds = 4

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
	r.caughtUp = false
	for range maxRounds {
		r.refreshFiles()
		r.setHorizons()
		if !r.scan() {
			break
		}
	}
	r.refreshFiles()
	r.closeFinished()
}

func (r *Reader) refreshFiles() {
	r.files = slices.DeleteFunc(r.files, func(f *file) bool {
		f.failed, f.refreshed = false, true
		err := f.Refresh()
		if errors.Is(err, journalfile.ErrReplaced) { // the scan finds the new one
			r.stats.add(f.Stats())
			_ = f.Close() // it was only read
			return true
		}
		if err != nil {
			r.fail(f, err)
		}
		return false
	})
}

// closeFinished closes the files that are finished and read to their end.
func (r *Reader) closeFinished() {
	if r.options.Keep || r.direction == backward {
		return
	}
	r.files = slices.DeleteFunc(r.files, func(f *file) bool {
		if !f.isFinal() || !f.drained || f.peeked || r.faults[f.path] != nil {
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
