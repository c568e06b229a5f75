package journalfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of objects.
const (
	typeData       = 1
	typeEntry      = 3
	typeEntryArray = 6
)

// What objects measure, in bytes.
const (
	objectHeader   = 16
	bucketSize     = 16
	arrayHeader    = 24
	entryHeader    = 64
	minEntry       = entryHeader
	dataHeader     = 64
	compactData    = 72
	regularItem    = 16
	compactItem    = 4
	regularElement = 8
	compactElement = 4
)

// errBad says that at some offset there is not what should be there: the file is
// damaged, or its writer is at work there.
var errBad = errors.New("no valid object")

func bad(offset uint64, what string) error {
	return fmt.Errorf("%w at offset %d: %s", errBad, offset, what)
}

// object is an object's start: size bytes, of which head are here. head stays valid
// until another window is asked for.
type object struct {
	size  uint64
	flags byte
	head  []byte
}

// object looks at the object at an offset, which must be of a type and have least
// bytes at least.
func (f *File) object(offset uint64, kind byte, least int) (object, error) {
	if offset < f.header.size || offset%8 != 0 || offset > f.header.end-objectHeader {
		return object{}, errBad
	}
	head, err := f.cache.window(f, offset)
	if err != nil {
		return object{}, err
	}
	if len(head) < least {
		if head, err = f.across(offset, least); err != nil {
			return object{}, err
		}
	}
	o := object{size: binary.LittleEndian.Uint64(head[8:]), flags: head[1], head: head}
	if head[0] != kind || o.size < uint64(least) || o.size > f.header.end-offset { //nolint:gosec // a constant
		return object{}, errBad
	}
	if uint64(len(head)) > o.size {
		o.head = head[:o.size]
	}
	return o, nil
}

// across reads bytes that two windows share. They stay until across is called
// again.
func (f *File) across(offset uint64, length int) ([]byte, error) {
	if cap(f.scratch) < length {
		f.scratch = make([]byte, max(length, 256))
	}
	to := f.scratch[:length]
	for done := 0; done < length; {
		part, err := f.cache.window(f, offset+uint64(done)) //nolint:gosec // not negative
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			return nil, errBad
		}
		done += copy(to[done:], part)
	}
	return to, nil
}

// bytes returns length bytes at an offset, which stay until the next call.
func (f *File) bytes(offset uint64, length int) ([]byte, error) {
	part, err := f.cache.window(f, offset)
	if err != nil {
		return nil, err
	}
	if len(part) >= length {
		return part[:length], nil
	}
	return f.across(offset, length)
}
