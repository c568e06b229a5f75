package journalfile

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalhash"
)

const (
	// maxFields is how many fields journald lets an entry have.
	maxFields = 1024
	// maxEntry is how many times the length of a field all fields of an entry have
	// together at most.
	maxEntry = 16
	// hashSlots is how many data objects' hashes are remembered.
	hashSlots = 1 << 11
)

// knownHash is the hash of a data object's payload.
type knownHash struct {
	file   uint32
	offset uint64
	hash   uint64
}

// read reads the entry at an offset. It wraps errBad where there is none, or not what
// was written there.
func (f *File) read(offset uint64, e *Entry) error {
	o, err := f.object(offset, typeEntry, entryHeader)
	if err != nil {
		return err
	}
	e.Key, e.MachineID, e.Cut = f.keyOf(o.head), f.header.MachineID, false
	e.text, e.fields = e.text[:0], e.fields[:0]
	items, err := f.items(offset, o)
	if err != nil {
		return err
	}
	hash := uint64(0)
	for len(items) > 0 {
		var at uint64
		if f.header.Compact {
			at, items = uint64(binary.LittleEndian.Uint32(items)), items[compactItem:]
		} else {
			at, items = binary.LittleEndian.Uint64(items), items[regularItem:]
		}
		one, err := f.field(e, at)
		if err != nil {
			return err
		}
		hash ^= one
	}
	if hash != e.XorHash && !e.Cut && !e.hasDuplicates(hash^e.XorHash) {
		return bad(offset, "an entry whose content is not what was written")
	}
	return nil
}

// items returns an entry's references to its data objects.
func (f *File) items(offset uint64, o object) ([]byte, error) {
	width := uint64(regularItem)
	if f.header.Compact {
		width = compactItem
	}
	length := o.size - entryHeader
	if length < width || length > maxFields*width || length%width != 0 {
		return nil, bad(offset, "an entry of such a length")
	}
	items := f.cache.items[:length]
	for done := uint64(0); done < length; {
		part, err := f.cache.window(f, offset+entryHeader+done)
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			return nil, bad(offset, "an entry behind the end of the file")
		}
		done += uint64(copy(items[done:], part)) //nolint:gosec // not negative
	}
	return items, nil
}

// field appends the data object at an offset to the entry and returns its hash.
func (f *File) field(e *Entry, offset uint64) (hash uint64, err error) {
	o, err := f.object(offset, typeData, dataHeader)
	if err != nil {
		return 0, err
	}
	start, limit, cut := len(e.text), f.maxField, false
	if limit = min(limit, f.maxField*maxEntry-start); limit <= 0 {
		e.Cut = true
		f.stats.Cut++
		return 0, nil
	}
	if e.text, cut, err = f.payload(e.text, offset, o, limit); err != nil {
		return 0, err
	}
	field := e.text[start:]
	equal := bytes.IndexByte(field, '=')
	switch {
	case cut:
		e.Cut = true
		f.stats.Cut++
		if equal < 1 {
			e.text = e.text[:start]
			return 0, nil
		}
	case equal < 1:
		return 0, bad(offset, "data without a name")
	default:
		hash = f.fieldHash(offset, field)
	}
	e.fields = append(e.fields, span{start, start + equal, len(e.text)})
	return hash, nil
}

// fieldHash returns the hash of a data object's payload: most of them are shared by
// many entries.
func (f *File) fieldHash(offset uint64, field []byte) uint64 {
	known := &f.cache.hashes[offset/8%hashSlots]
	if known.offset != offset || known.file != f.number {
		*known = knownHash{file: f.number, offset: offset, hash: journalhash.Jenkins(field)}
	}
	return known.hash
}

// hasDuplicates tells whether the hash of an entry is off because fields came
// several times when it was written: journald keeps them once, but had entered each
// of them into the hash. Then what it is off by is the sum, modulo 2, of some of the
// fields' hashes.
func (e *Entry) hasDuplicates(difference uint64) bool {
	var basis [64]uint64 // by their highest bits
	for i := range e.fields {
		s := e.fields[i]
		if rest, bit := reduce(&basis, journalhash.Jenkins(e.text[s.start:s.end])); rest != 0 {
			basis[bit] = rest
		}
	}
	rest, _ := reduce(&basis, difference)
	return rest == 0
}

// reduce takes out of a number what the basis can make of it, and returns the rest
// and its highest bit.
func reduce(basis *[64]uint64, number uint64) (rest uint64, bit int) {
	for number != 0 {
		bit = bits.Len64(number) - 1
		if basis[bit] == 0 {
			return number, bit
		}
		number ^= basis[bit]
	}
	return 0, 0
}
