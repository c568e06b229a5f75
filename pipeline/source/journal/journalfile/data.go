package journalfile

import (
	"bytes"
	"encoding/binary"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalhash"
)

// maxDepth bounds how many data objects of one bucket are looked at: journald makes
// a new file when some hundred share one.
const maxDepth = 1 << 14

// The flags of a data object say how its payload is compressed.
const (
	objectXZ byte = 1 << iota
	objectLZ4
	objectZSTD

	objectCompressed = objectXZ | objectLZ4 | objectZSTD
)

// hash is the hash of a payload that the file finds it by.
func (f *File) hash(payload []byte) uint64 {
	if f.header.Keyed {
		return journalhash.Siphash((*[16]byte)(&f.header.FileID), payload)
	}
	return journalhash.Jenkins(payload)
}

// find returns the offset of the data object of FIELD=value; 0: there is none yet.
func (f *File) find(payload []byte) (uint64, error) {
	hash := f.hash(payload)
	bucket, err := f.bytes(f.header.dataTable+hash%f.header.buckets*bucketSize, bucketSize)
	if err != nil {
		return none(err)
	}
	offset := binary.LittleEndian.Uint64(bucket)
	for depth := 0; offset != 0 && depth < maxDepth; depth++ {
		o, err := f.object(offset, typeData, dataHeader)
		if err != nil {
			return none(err)
		}
		next := binary.LittleEndian.Uint64(o.head[24:])
		if binary.LittleEndian.Uint64(o.head[16:]) == hash {
			same, err := f.has(offset, o, payload)
			if err != nil || same {
				return offset, err
			}
		}
		if next <= offset {
			return 0, nil
		}
		offset = next
	}
	return 0, nil
}

// has tells whether a data object is FIELD=value.
func (f *File) has(offset uint64, o object, payload []byte) (bool, error) {
	if o.flags&objectCompressed == 0 && o.size != uint64(f.dataHeader+len(payload)) { //nolint:gosec // not negative
		return false, nil
	}
	found, _, err := f.payload(nil, offset, o, len(payload)+1)
	if err != nil {
		_, err = none(err)
		return false, err
	}
	return bytes.Equal(found, payload), nil
}

// payload appends what a data object holds, limit bytes at most, and tells whether
// there was more.
func (f *File) payload(to []byte, offset uint64, o object, limit int) (got []byte, cut bool, err error) {
	header := uint64(f.dataHeader) //nolint:gosec // a constant
	if o.size < header {
		return to, false, errBad
	}
	if o.flags&objectCompressed != 0 {
		return f.decompress(to, offset+header, o.size-header, o.flags, limit)
	}
	length := o.size - header
	if length > uint64(limit) { //nolint:gosec // not negative
		length, cut = uint64(limit), true //nolint:gosec // not negative
	}
	if header+length <= uint64(len(o.head)) {
		return append(to, o.head[header:header+length]...), cut, nil
	}
	for at := offset + header; length > 0; {
		part, err := f.cache.window(f, at)
		if err != nil {
			return to, false, err
		}
		if len(part) == 0 {
			return to, false, errBad
		}
		part = part[:min(uint64(len(part)), length)]
		to = append(to, part...)
		at, length = at+uint64(len(part)), length-uint64(len(part))
	}
	return to, cut, nil
}
