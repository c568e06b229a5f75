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
	// knownSlots is how many data objects are remembered.
	knownSlots = 1 << 10
)

// knownData is what was found out of a data object's payload.
type knownData struct {
	file   uint32
	offset uint64
	length int
	hash   uint64
	equal  int // the index of the first =
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
	if length := int(o.size) - f.dataHeader; o.flags == 0 && len(o.head) == int(o.size) && 0 <= length && length <= limit { //nolint:gosec // as long as what is there
		e.text = append(e.text, o.head[f.dataHeader:]...) // what most are
	} else if e.text, cut, err = f.payload(e.text, offset, o, limit); err != nil {
		return 0, err
	}
	known := f.known(offset, e.text[start:], cut)
	if cut {
		e.Cut = true
		f.stats.Cut++
	}
	switch {
	case known.equal < 1 && cut:
		e.text = e.text[:start]
		return 0, nil
	case known.equal < 1:
		return 0, bad(offset, "data without a name")
	}
	e.fields = append(e.fields, span{start, start + known.equal, len(e.text)})
	return known.hash, nil
}

// known returns what is known of a data object's payload: most of them are shared by
// many entries. Of one that is cut off the hash cannot be known.
func (f *File) known(offset uint64, field []byte, cut bool) *knownData {
	if cut {
		return &knownData{equal: bytes.IndexByte(field, '=')}
	}
	known := &f.cache.known[offset/8%knownSlots]
	if known.offset != offset || known.file != f.number || known.length != len(field) {
		*known = knownData{
			file: f.number, offset: offset, length: len(field),
			hash: journalhash.Jenkins(field), equal: bytes.IndexByte(field, '='),
		}
	}
	return known
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
