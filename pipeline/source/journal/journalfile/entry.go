package journalfile

import (
	"encoding/binary"
	"iter"
)

// Key is what orders and identifies an entry.
type Key struct {
	// SeqnumID is the series that Seqnum is of.
	SeqnumID ID
	// Seqnum numbers the entries of a series.
	Seqnum uint64
	// Realtime is when the entry was received, in µs since 1970.
	Realtime uint64
	// BootID is the boot that Monotonic is of.
	BootID ID
	// Monotonic is CLOCK_MONOTONIC when the entry was received, in µs.
	Monotonic uint64
	// XorHash is a hash of the entry's content.
	XorHash uint64
}

// Entry is one entry of a journal. It is used again and again: what its methods
// return is valid until it is read into the next time.
type Entry struct {
	Key
	// MachineID is the machine that wrote the file.
	MachineID ID
	// Cut tells that fields are not whole, or left out, because of their length.
	Cut bool

	text   []byte
	fields []span
}

// span is a field in an entry's text: NAME=value.
type span struct{ start, equal, end int }

// Len returns how many fields there are.
func (e *Entry) Len() int { return len(e.fields) }

// Size returns how many bytes the fields have.
func (e *Entry) Size() int { return len(e.text) }

// Field returns one of them.
func (e *Entry) Field(i int) (name, value []byte) {
	s := e.fields[i]
	return e.text[s.start:s.equal:s.equal], e.text[s.equal+1 : s.end : s.end]
}

// Get returns the first field of that name.
func (e *Entry) Get(name string) (value []byte, ok bool) {
	for _, s := range e.fields {
		if s.equal-s.start == len(name) && string(e.text[s.start:s.equal]) == name {
			return e.text[s.equal+1 : s.end : s.end], true
		}
	}
	return nil, false
}

// All yields the fields in the entry's order. A name may come several times.
func (e *Entry) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := range e.fields {
			if !yield(e.Field(i)) {
				return
			}
		}
	}
}

// keyOf reads the head of an entry.
func (f *File) keyOf(head []byte) Key {
	return Key{
		SeqnumID: f.header.SeqnumID,
		Seqnum:   binary.LittleEndian.Uint64(head[16:]), Realtime: binary.LittleEndian.Uint64(head[24:]),
		Monotonic: binary.LittleEndian.Uint64(head[32:]), BootID: ID(head[40:56]), XorHash: binary.LittleEndian.Uint64(head[56:]),
	}
}

// key reads the head of the entry at an offset.
func (f *File) key(offset uint64) (Key, error) {
	o, err := f.object(offset, typeEntry, entryHeader)
	if err != nil {
		return Key{}, err
	}
	return f.keyOf(o.head), nil
}
