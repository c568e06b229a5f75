package journalfile

import (
	"errors"
	"fmt"
)

// search returns the first element that is past, and its index; value 0: there is
// none. past is true for all elements behind one that it is true for.
func (c *chain) search(past func(value uint64) bool) (index, value uint64, err error) {
	low, high, err := c.around(past)
	if err != nil {
		return 0, 0, err
	}
	for low < high {
		middle := low + (high-low)/2
		at, value, err := c.good(middle, high)
		switch {
		case err != nil:
			return 0, 0, err
		case value == 0 || past(value):
			high = middle
		default:
			low = at + 1
		}
	}
	index, value, err = c.good(low, c.length)
	if value != 0 && !past(value) { // the elements do not ascend
		return 0, 0, nil
	}
	return index, value, err
}

// around bounds a search by looking near the element that was found last, where
// the next one most likely is.
func (c *chain) around(past func(value uint64) bool) (low, high uint64, err error) {
	high = c.length
	if c.hint >= high {
		return 0, high, nil
	}
	value, err := c.at(c.hint)
	if err != nil {
		_, err = none(err)
		return 0, high, err
	}
	if past(value) {
		return c.aroundBefore(past)
	}
	low = c.hint + 1
	for step := uint64(1); low < high; step *= 2 {
		probe := min(low+step-1, high-1)
		at, value, err := c.good(probe, high)
		if err != nil {
			return 0, 0, err
		}
		if value == 0 || past(value) {
			return low, probe + 1, nil
		}
		low = at + 1
	}
	return low, high, nil
}

// aroundBefore looks at the elements ahead of the hint, which is past.
func (c *chain) aroundBefore(past func(value uint64) bool) (low, high uint64, err error) {
	high = c.hint + 1
	for step := uint64(1); step < high; step *= 2 {
		value, err := c.at(high - 1 - step)
		if errors.Is(err, errBad) {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		if !past(value) {
			return high - step, high, nil
		}
		high -= step
	}
	return 0, high, nil
}

// maxBad bounds how many elements in a row that lead nowhere are passed over: more of
// them are in no file that a disk has damaged, and holes cost no disk.
const maxBad = 1 << 16

// good returns the first element from index on, below end, that is an offset;
// value 0: there is none.
func (c *chain) good(index, end uint64) (at, value uint64, err error) {
	for limit := index + maxBad; index < min(end, limit); index++ {
		value, err := c.at(index)
		switch {
		case err == nil:
			return index, value, nil
		case errors.Is(err, errNoArray):
			return index, 0, nil
		case !errors.Is(err, errBad):
			return 0, 0, fmt.Errorf("read an array of entries: %w", err)
		}
	}
	return end, 0, nil
}

// reach returns the index behind those that the known arrays have.
func (c *chain) reach() (index uint64) {
	if n := len(c.segments); n > 0 {
		index = c.segments[n-1].first + c.segments[n-1].count
	}
	if !c.main {
		index++
	}
	return min(index, c.length)
}
