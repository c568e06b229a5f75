package journalfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	signature = "LPKSHHRH"
	// minHeader is the header of the oldest files, readHeader what is read of any.
	minHeader, readHeader = 208, 272
	maxHeader             = 1 << 16
)

// The incompatible flags: who does not know one must not read the file.
const (
	flagXZ uint32 = 1 << iota
	flagLZ4
	flagKeyed
	flagZSTD
	flagCompact

	knownFlags = flagXZ | flagLZ4 | flagKeyed | flagZSTD | flagCompact
)

// State says what the writer does with a file.
type State uint8

// The states of a file.
const (
	// Offline is all written down; it may be written again.
	Offline State = iota
	// Online is being written, or was when its writer died.
	Online
	// Archived is finished.
	Archived
)

// String returns offline, online or archived.
func (s State) String() string {
	switch s {
	case Offline:
		return "offline"
	case Online:
		return "online"
	case Archived:
		return "archived"
	default:
		return fmt.Sprintf("State(%d)", uint8(s))
	}
}

// Header is what a file says of itself.
type Header struct {
	// FileID is the file's own id: it stays when the file is renamed.
	FileID ID
	// MachineID is the machine that wrote it.
	MachineID ID
	// SeqnumID is the series that the sequence numbers are of.
	SeqnumID ID
	// TailBootID is the boot of the newest entry, or, before systemd 254, the one in which
	// the file was opened last to write to it.
	TailBootID ID
	// State is what the writer does with the file.
	State State
	// Compact and Keyed tell the layout, Sealed whether there are tags of forward
	// secure sealing, which are not looked at.
	Compact, Keyed, Sealed bool
	// HeadSeqnum and TailSeqnum are the first and last entry's sequence numbers; 0:
	// there is none. A file that goes on where another one ended has, as long as it is
	// empty, the other's as its TailSeqnum.
	HeadSeqnum, TailSeqnum uint64
	// HeadRealtime and TailRealtime are their times, in µs since 1970.
	HeadRealtime, TailRealtime uint64
	// Entries is how many there are.
	Entries uint64

	end         uint64 // behind the last byte that an object may have
	size        uint64
	dataTable   uint64 // offset of the first bucket of the data hash table
	buckets     uint64
	entryArray  uint64
	compression uint32
}

// ErrUnfinished says that a file has no whole header yet: its writer has just made
// it.
var ErrUnfinished = errors.New("the journal file has no header yet")

// UnsupportedError says that a file has features that this version does not know.
type UnsupportedError struct {
	// Flags are the unknown incompatible flags.
	Flags uint32
}

// Error says what to do.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("the journal file has features that this version does not know (incompatible flags %#x): a newer version is needed", e.Flags)
}

// damage says that a header is none.
func damage(format string, args ...any) error {
	return fmt.Errorf("the header is damaged: "+format, args...)
}

// parseHeader reads the header of a file; text has readHeader bytes, or all of a
// shorter file.
func parseHeader(text []byte) (Header, error) {
	if len(text) < minHeader || bytes.Count(text[:minHeader], []byte{0}) == minHeader {
		return Header{}, ErrUnfinished
	}
	if string(text[:8]) != signature {
		return Header{}, damage("it begins with %q and is no journal file", strings.ToValidUTF8(string(text[:8]), "?"))
	}
	flags := binary.LittleEndian.Uint32(text[12:])
	if unknown := flags &^ knownFlags; unknown != 0 {
		return Header{}, &UnsupportedError{Flags: unknown}
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(text[at:]) }
	h := Header{
		FileID: ID(text[24:40]), MachineID: ID(text[40:56]), TailBootID: ID(text[56:72]), SeqnumID: ID(text[72:88]),
		State: State(text[16]), Compact: flags&flagCompact != 0, Keyed: flags&flagKeyed != 0,
		Sealed: binary.LittleEndian.Uint32(text[8:])&1 != 0, compression: flags,
		size: u64(88), dataTable: u64(104), buckets: u64(112) / bucketSize,
		Entries: u64(152), TailSeqnum: u64(160), HeadSeqnum: u64(168), entryArray: u64(176),
		HeadRealtime: u64(184), TailRealtime: u64(192),
	}
	h.end = h.size + u64(96)
	return h, h.check()
}

// Whole returns the number up to which all of the series that had been written before
// this header was, can be found: the newest one is perhaps being written.
func (h *Header) Whole() uint64 {
	if h.State == Archived || h.HeadSeqnum == 0 || h.TailSeqnum == 0 {
		return h.TailSeqnum
	}
	return h.TailSeqnum - 1
}

// bound makes the header promise no more than the file has: it may have been cut, or
// its header may say what it likes.
func (h *Header) bound(size uint64) {
	h.end = max(h.size, min(h.end, size))
	h.Entries = min(h.Entries, h.end/minEntry)
}

// check bounds what the header says, so that sums with it stay numbers.
func (h *Header) check() error {
	const limit = 1 << 48 // 256 TiB, far above any file
	switch {
	case h.State > Archived:
		return damage("the state is %d", h.State)
	case h.size < minHeader || h.size > maxHeader:
		return damage("its own size is %d", h.size)
	case h.end > limit || h.end < h.size:
		return damage("the file would have %d bytes", h.end)
	case h.Entries > h.end/minEntry:
		return damage("there would be %d entries in %d bytes", h.Entries, h.end)
	case h.buckets > h.end/bucketSize || h.dataTable > h.end-h.buckets*bucketSize || h.dataTable%8 != 0:
		return damage("the hash table would be at %d and have %d buckets", h.dataTable, h.buckets)
	case h.dataTable == 0:
		return ErrUnfinished
	case h.dataTable < h.size || h.buckets == 0:
		return damage("the hash table would be at %d and have %d buckets", h.dataTable, h.buckets)
	}
	return nil
}
