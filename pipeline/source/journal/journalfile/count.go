package journalfile

import (
	"errors"
	"math"
)

// Count returns how many entries the file has whose numbers are above one and not above
// another, as of Open or the last Refresh. Entries that are damaged, next to those
// numbers, count as there: it is rather too many.
func (f *File) Count(above, upTo uint64) (uint64, error) {
	if upTo <= above {
		return 0, nil
	}
	low, _, err := f.rank(above)
	if err != nil {
		return 0, err
	}
	_, high, err := f.rank(upTo)
	return max(low, high) - low, err
}

// rank returns where in the list of all entries those with numbers above one begin: at
// high, and low is behind the last that has not. Between the two are those that cannot
// be read.
func (f *File) rank(seqnum uint64) (low, high uint64, err error) {
	c := f.all
	if err := c.load(); err != nil {
		_, err = none(err)
		return 0, 0, err
	}
	for low, high = 0, c.length; low < high; {
		middle := low + (high-low)/2
		at, key, ok, err := c.readable(middle, high)
		switch {
		case err != nil:
			return 0, 0, err
		case !ok || key.Seqnum > seqnum:
			high = middle
		default:
			low = at + 1
		}
	}
	at, _, ok, err := c.readable(low, c.length)
	if !ok {
		at = c.length
	}
	return low, at, err
}

// readable returns the first entry from an index on, below end, that can be read.
func (c *chain) readable(index, end uint64) (at uint64, key Key, ok bool, err error) {
	for limit := index + maxBad; index < min(end, limit); index++ {
		at, offset, err := c.good(index, end)
		if err != nil || offset == 0 {
			return 0, Key{}, false, err
		}
		key, err := c.file.key(offset)
		if err == nil {
			return at, key, true, nil
		}
		if !errors.Is(err, errBad) {
			return 0, Key{}, false, err
		}
		index = at
	}
	return 0, Key{}, false, nil
}

// LastOfBoot returns the last entry that a boot wrote into the file until a time of it,
// in µs; false: there is none.
func (f *File) LastOfBoot(boot ID, monotonic uint64) (Key, bool, error) {
	i := &Iterator{file: f, sequence: f.sequence(Matches{"_BOOT_ID=" + boot.String()})}
	found, err := i.SeekMonotonic(boot, min(monotonic, math.MaxUint64-1)+1)
	if err != nil || !found {
		return Key{}, false, err
	}
	i.StepBehind()
	return i.Previous()
}

// LastUntil returns the last entry until a wall time, in µs since 1970; false: there is
// none.
func (f *File) LastUntil(realtime uint64) (Key, bool, error) {
	i := &Iterator{file: f, sequence: f.sequence(nil)}
	if err := i.SeekRealtime(min(realtime, math.MaxUint64-1) + 1); err != nil {
		return Key{}, false, err
	}
	i.StepBehind()
	return i.Previous()
}
