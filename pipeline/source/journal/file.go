package journal

import (
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// grace is how long a file is kept that was deleted: journald copies the entries of
// /run/log/journal to /var/log/journal and then deletes them there, and which are
// copies is seen by the originals.
const grace = 10 * time.Second

// file is a journal file that is being read.
type file struct {
	*journalfile.File
	path  string
	inode inode
	all   *journalfile.Iterator // all entries
	i     *journalfile.Iterator // those that match

	head   journalfile.Key // where i is, if peeked
	peeked bool
	ready  bool // the head is to be told, as long as it is ahead of what was told last
	series *series
	// unsettled: i may be before the reader's location in its direction.
	unsettled bool
	drained   bool // nothing more was there
	checked   bool // that its content is there, since it was refreshed or damaged
	damaged   uint64
	unplaced  bool // it could not be put where reading begins
	failed    bool // it cannot be read until the next Refresh
	refreshed bool // since the head was found
	seen      bool // by the scan
	grown     bool // entries have come since it was opened
	deleted   time.Time
}

// inode names a file for as long as it is open, or not deleted.
type inode struct{ device, number uint64 }

// stamp tells whether a file is the same and unchanged.
type stamp struct {
	size     int64
	modified time.Time
	seen     bool
}

func inodeOf(info fs.FileInfo) (inode, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{uint64(stat.Dev), stat.Ino}, true //nolint:unconvert // not everywhere 64 bits
}

// isJournal tells whether a file is one by its name. journald names a file
// *.journal~ that was not closed properly, and begins another one.
func isJournal(name string) bool {
	return strings.HasSuffix(name, ".journal") || strings.HasSuffix(name, ".journal~")
}

// isFinal tells whether nothing is written to the file any more.
func (f *file) isFinal() bool {
	return f.Header().State == journalfile.Archived || strings.HasSuffix(f.path, "~") ||
		!f.deleted.IsZero() && time.Since(f.deleted) > grace
}

// last finds the last entry; false: there is none.
func (f *file) last() (journalfile.Key, bool, error) {
	if err := f.all.SeekTail(); err != nil {
		return journalfile.Key{}, false, err
	}
	return f.all.Previous()
}

// stepBack has the next step in a direction find the entry that the file is at.
func (f *file) stepBack(towards direction) {
	if towards == backward {
		f.i.StepBehind()
	} else {
		f.i.StepBefore()
	}
}

// peek finds the next entry that matches, and tells whether there is one.
func (f *file) peek(towards direction) (bool, error) {
	if f.peeked {
		return true, nil
	}
	step := f.i.Next
	if towards == backward {
		step = f.i.Previous
	}
	key, ok, err := step()
	f.head, f.peeked, f.drained, f.refreshed = key, ok, !ok, false
	return ok, err
}

// has tells whether the file has that entry, or the original of a copy.
func (f *file) has(key *journalfile.Key) (bool, error) {
	if found, err := f.all.SeekMonotonic(key.BootID, key.Monotonic); !found || err != nil {
		return false, err
	}
	for {
		other, ok, err := f.all.Next()
		if err != nil || !ok || other.Monotonic != key.Monotonic || other.BootID != key.BootID {
			return false, err
		}
		if other.Realtime == key.Realtime && other.XorHash == key.XorHash {
			return true, nil
		}
	}
}
