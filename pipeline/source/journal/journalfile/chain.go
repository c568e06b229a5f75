package journalfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// maxSegments bounds the arrays of one chain. Each is twice as long as the one
// before it, unless somebody else than journald has written them.
const maxSegments = 1 << 16

// errNoArray says that no array has an element, nor any that comes behind it.
var errNoArray = fmt.Errorf("%w: the arrays of entries end too early", errBad)

// chain is an ascending list of entries' offsets: all of a file, or those that have
// one data object. It is kept in arrays that are linked forward, found by and by.
type chain struct {
	file *File
	main bool
	want []byte // FIELD=value, if not main
	data uint64 // offset of its data object; 0: there is none yet

	loaded  bool
	version uint32 // of the file, that length is of
	inline  uint64 // the first entry, which data objects hold themselves
	array   uint64 // the first array
	length  uint64

	segments []segment
	hint     uint64 // the index that was found last

	suspect        uint64 // what is behind the elements that were no offsets
	suspectVersion uint32
}

// segment is one array of a chain.
type segment struct {
	offset, first, count uint64
}

// load finds out how many entries the chain has now.
func (c *chain) load() error {
	f := c.file
	if c.loaded && c.version == f.version {
		return nil
	}
	if c.main {
		c.array, c.length = f.header.entryArray, f.header.Entries
	} else if err := c.loadData(); err != nil {
		return err
	}
	c.loaded, c.version = true, f.version
	return nil
}

func (c *chain) loadData() error {
	f := c.file
	if c.data == 0 {
		offset, err := f.find(c.want)
		if err != nil || offset == 0 {
			c.length = 0
			return err
		}
		c.data = offset
	}
	o, err := f.object(c.data, typeData, dataHeader)
	if err != nil {
		return err
	}
	c.inline = binary.LittleEndian.Uint64(o.head[40:])
	c.array = binary.LittleEndian.Uint64(o.head[48:])
	c.length = min(binary.LittleEndian.Uint64(o.head[56:]), f.header.end/compactElement)
	return nil
}

// at returns the element at an index below length. It wraps errBad where there is
// none.
func (c *chain) at(index uint64) (uint64, error) {
	if !c.main {
		if index == 0 {
			return c.checked(c.inline)
		}
		index--
	}
	s, err := c.segment(index)
	if err != nil {
		return 0, err
	}
	width := c.file.elementWidth()
	text, err := c.file.bytes(s.offset+arrayHeader+(index-s.first)*width, int(width)) //nolint:gosec // 4 or 8
	if err != nil {
		return 0, err
	}
	if width == compactElement {
		return c.checked(uint64(binary.LittleEndian.Uint32(text)))
	}
	return c.checked(binary.LittleEndian.Uint64(text))
}

func (c *chain) checked(offset uint64) (uint64, error) {
	if offset < c.file.header.size || offset%8 != 0 || offset > c.file.header.end-minEntry {
		return 0, errBad
	}
	return offset, nil
}

func (f *File) elementWidth() uint64 {
	if f.header.Compact {
		return compactElement
	}
	return regularElement
}

// segment returns the array that has an element.
func (c *chain) segment(index uint64) (segment, error) {
	for {
		if n := len(c.segments); n > 0 && index < c.segments[n-1].first+c.segments[n-1].count {
			if s := c.segments[n-1]; index >= s.first {
				return s, nil
			}
			at := sort.Search(n, func(i int) bool { return c.segments[i].first > index })
			return c.segments[at-1], nil
		}
		if err := c.extend(); err != nil {
			return segment{}, err
		}
	}
}

// extend finds the next array. Arrays are always behind those that link to them.
func (c *chain) extend() error {
	f, next, last := c.file, c.array, segment{}
	if n := len(c.segments); n > 0 {
		last = c.segments[n-1]
		o, err := f.object(last.offset, typeEntryArray, arrayHeader)
		if err != nil {
			return noArray(err)
		}
		next = binary.LittleEndian.Uint64(o.head[16:])
	}
	if next <= last.offset || len(c.segments) >= maxSegments {
		return errNoArray
	}
	o, err := f.object(next, typeEntryArray, arrayHeader)
	if err != nil {
		return noArray(err)
	}
	count := (o.size - arrayHeader) / f.elementWidth()
	if count == 0 {
		return errNoArray
	}
	c.segments = append(c.segments, segment{offset: next, first: last.first + last.count, count: count})
	return nil
}

func noArray(err error) error {
	if errors.Is(err, errBad) {
		return errNoArray
	}
	return err
}

// after returns the first entry behind an offset; 0: none yet.
func (c *chain) after(offset uint64) (uint64, error) {
	if err := c.load(); err != nil {
		return none(err)
	}
	index, value, err := c.search(func(value uint64) bool { return value > offset })
	if err != nil || value == 0 {
		return 0, err
	}
	gap := c.damagedBefore(index)
	if gap > 0 && c.file.growing() && !c.again(value) {
		return 0, nil
	}
	if gap > 0 && c.suspect != offset+1 {
		c.file.stats.Damaged += gap
		c.suspect = offset + 1 // counted
	}
	c.hint = index
	return value, nil
}

// again tells whether that was wrong in the file before it was looked at anew, too.
func (c *chain) again(value uint64) bool {
	if c.suspect == value {
		return c.suspectVersion != c.file.version
	}
	c.suspect, c.suspectVersion = value, c.file.version
	return false
}

// damagedBefore tells how many elements right before an index lead nowhere.
func (c *chain) damagedBefore(index uint64) (count uint64) {
	for index > 0 && count < maxBad {
		index--
		if _, err := c.at(index); !errors.Is(err, errBad) {
			return count
		}
		count++
	}
	return count
}

// before returns the last entry ahead of an offset; 0: there is none.
func (c *chain) before(offset uint64) (uint64, error) {
	if err := c.load(); err != nil {
		return none(err)
	}
	index, value, err := c.search(func(value uint64) bool { return value >= offset })
	if err != nil {
		return 0, err
	}
	if value == 0 {
		index = c.length
	}
	for bad := 0; index > 0 && bad < maxBad; bad++ {
		index--
		value, err := c.at(index)
		switch {
		case err == nil && value < offset:
			c.hint = index
			return value, nil
		case errors.Is(err, errNoArray):
			index = min(index, c.reach())
		case err != nil && !errors.Is(err, errBad):
			return 0, err
		}
	}
	return 0, nil
}

// none takes what is bad for not there.
func none(err error) (uint64, error) {
	if errors.Is(err, errBad) {
		return 0, nil
	}
	return 0, err
}
