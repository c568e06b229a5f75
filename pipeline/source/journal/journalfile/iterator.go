package journalfile

import (
	"errors"
	"math"
	"slices"
	"sort"
)

// Iterator walks the entries of a file that match, in both directions. It stands
// between two entries, or at one. It is for one goroutine at a time.
type Iterator struct {
	file     *File
	sequence sequence
	matches  Matches
	at       uint64 // an offset: Next is behind it, Previous ahead of it

	suspect        uint64 // an entry that could not be read
	suspectVersion uint32
}

// Iterator returns an iterator that stands before the first entry. The matches must
// be valid.
func (f *File) Iterator(matches Matches) (*Iterator, error) {
	if err := matches.Validate(); err != nil {
		return nil, err
	}
	return &Iterator{file: f, sequence: f.sequence(matches), matches: slices.Clone(matches)}, nil
}

// Next goes to the next entry and returns its key; false: there is none yet, and the
// iterator has not moved. In a file that is being written call [File.Refresh] before
// asking again.
func (i *Iterator) Next() (Key, bool, error) {
	for {
		offset, err := i.sequence.after(i.at)
		if err != nil || offset == 0 {
			return Key{}, false, err
		}
		key, err := i.file.key(offset)
		if !errors.Is(err, errBad) {
			if err == nil {
				i.at = offset
			}
			return key, err == nil, err
		}
		if !i.isDamaged(offset) {
			return Key{}, false, nil
		}
		i.at = offset
	}
}

// isDamaged tells whether what cannot be read is damaged, and counts it. In a file
// that is being written that is known when it has been looked at anew.
func (i *Iterator) isDamaged(offset uint64) bool {
	f := i.file
	if f.growing() && (i.suspect != offset || i.suspectVersion == f.version) {
		if i.suspect != offset {
			i.suspect, i.suspectVersion = offset, f.version
		}
		return false
	}
	f.stats.Damaged++
	return true
}

// Previous goes to the entry before and returns its key; false: there is none, and
// the iterator has not moved.
func (i *Iterator) Previous() (Key, bool, error) {
	for at := i.at; ; {
		offset, err := i.sequence.before(at)
		if err != nil || offset == 0 {
			return Key{}, false, err
		}
		key, err := i.file.key(offset)
		if err == nil {
			i.at = offset
			return key, true, nil
		}
		if !errors.Is(err, errBad) {
			return Key{}, false, err
		}
		i.file.stats.Damaged++
		at = offset
	}
}

// ErrDamaged says that an entry is not what was written.
var ErrDamaged = errors.New("the entry is damaged")

// Read reads the entry that Next or Previous went to. After ErrDamaged, which is
// counted, go on to the next.
func (i *Iterator) Read(e *Entry) error {
	err := i.file.read(i.at, e)
	if err == nil && !e.Cut && !i.matches.hold(e) {
		err = bad(i.at, "an entry that does not match, among those that do")
	}
	if errors.Is(err, errBad) {
		i.file.stats.Damaged++
		return errors.Join(ErrDamaged, err)
	}
	return err
}

// StepBehind goes right behind the entry that the iterator is at, so that Previous
// finds it again; StepBefore goes right before it, so that Next does.
func (i *Iterator) StepBehind() {
	if i.at != 0 {
		i.at++
	}
}

// StepBefore goes right before the entry that the iterator is at.
func (i *Iterator) StepBefore() {
	if i.at != 0 {
		i.at--
	}
}

// SeekHead goes before the first entry.
func (i *Iterator) SeekHead() { i.at = 0 }

// SeekTail goes behind the last entry.
func (i *Iterator) SeekTail() error {
	offset, err := i.file.all.before(math.MaxInt64)
	if err != nil {
		return err
	}
	i.at = 0
	if offset != 0 {
		i.at = offset + 1
	}
	return nil
}

// SeekSeqnum goes right before the first entry with that number or a greater one.
func (i *Iterator) SeekSeqnum(seqnum uint64) error {
	return i.seek(i.file.all, func(key Key) bool { return key.Seqnum >= seqnum })
}

// SeekRealtime goes right before the first entry of that time, in µs since 1970, or
// a later one.
func (i *Iterator) SeekRealtime(realtime uint64) error {
	return i.seek(i.file.all, func(key Key) bool { return key.Realtime >= realtime })
}

// SeekMonotonic goes right before the first entry of a boot that was received at
// that time of it, in µs, or later; behind the boot's last entry where there is none.
// It tells whether the file has entries of that boot at all: if not, the iterator has
// not moved.
func (i *Iterator) SeekMonotonic(boot ID, monotonic uint64) (bool, error) {
	c := &chain{file: i.file, want: []byte("_BOOT_ID=" + boot.String())}
	if first, err := c.after(0); err != nil || first == 0 {
		return false, err
	}
	return true, i.seek(c, func(key Key) bool { return key.Monotonic >= monotonic })
}

// seek goes right before the first entry of a chain that is past, or behind its
// last.
func (i *Iterator) seek(c *chain, past func(Key) bool) error {
	if err := c.load(); err != nil {
		_, err = none(err)
		return err
	}
	var failed error
	last := uint64(0)
	offsetAt := func(index int) (offset uint64) {
		_, offset, err := c.good(uint64(index), c.length) //nolint:gosec // not negative
		failed = errors.Join(failed, err)
		return offset
	}
	index := sort.Search(int(c.length), func(index int) bool { //nolint:gosec // bounded by the check of the header
		offset := offsetAt(index)
		if offset == 0 {
			return true
		}
		key, err := i.file.key(offset)
		if err != nil {
			_, err = none(err)
			failed = errors.Join(failed, err)
			return true // better too early than too late
		}
		if !past(key) {
			last = max(last, offset)
		}
		return past(key)
	})
	if failed != nil {
		return failed
	}
	i.at = last
	if offset := offsetAt(index); offset != 0 {
		i.at = max(last, offset-1)
	}
	return failed
}
