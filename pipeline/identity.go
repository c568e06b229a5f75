package pipeline

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"time"
)

// Place is where a source holds a line. The same line read twice has the same
// place; no two lines share one.
type Place struct {
	// Scope is the boot id, or the machine id for sources that outlive a boot.
	Scope string `json:"scope,omitempty"`
	// Source names the source inside the scope: kmsg, a journal's seqnum id, a
	// file's path and fingerprint.
	Source string `json:"source,omitempty"`
	// Generation counts the source's new starts (a file's truncations).
	Generation uint64 `json:"generation,omitempty"`
	// Position grows with every line of a generation: a sequence number, an
	// offset in bytes.
	Position uint64 `json:"position,omitempty"`
}

// SameSequence tells whether positions of the two places can be compared.
func (p Place) SameSequence(other Place) bool {
	return p.Scope == other.Scope && p.Source == other.Source && p.Generation == other.Generation
}

// BootTime is an instant on the boot clock (CLOCK_BOOTTIME) of one boot.
type BootTime struct {
	// ID is the boot id (/proc/sys/kernel/random/boot_id); empty: not known.
	ID string `json:"id,omitempty"`
	// At is the time since that boot.
	At time.Duration `json:"at,omitempty"`
}

// Order is the place of a record or verdict in the order of things: by position
// within a source, else by the boot clock. Wall time has no part in it. Orders
// of different boots are not comparable: their holders ask for the boot first.
type Order struct {
	Boot  BootTime `json:"boot,omitzero"`
	Place Place    `json:"place,omitzero"`
}

// Compare returns -1, 0 or 1 as o is before, at the same time as, or after other.
func (o Order) Compare(other Order) int {
	if o.Place.Source != "" && o.Place.SameSequence(other.Place) {
		return cmp.Compare(o.Place.Position, other.Place.Position)
	}
	return cmp.Compare(o.Boot.At, other.Boot.At)
}

// UID is the identity of an exported record (log.record.uid, the end of an
// Event's name): made from what it is about, so that the same thing told twice
// has the same UID. It is the first 16 bytes of a SHA-256 over the fields, each
// preceded by its length as a big-endian uint64, numbers as big-endian uint64.
// Golden vectors in the tests freeze it.
type UID [16]byte

// String returns 32 hexadecimal digits.
func (u UID) String() string { return hex.EncodeToString(u[:]) }

// IsZero tells whether the UID was never set.
func (u UID) IsZero() bool { return u == UID{} }

// MarshalText implements encoding.TextMarshaler.
func (u UID) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, u[:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *UID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(u)) {
		return fmt.Errorf("uid %q: want %d hexadecimal digits", text, hex.EncodedLen(len(u)))
	}
	if _, err := hex.Decode(u[:], text); err != nil {
		return fmt.Errorf("uid %q: %w", text, err)
	}
	return nil
}

// LineUID is the identity of a line of a node.
func LineUID(node string, at Place) UID {
	w := newUIDWriter("line")
	w.place(node, at)
	return w.sum()
}

// ProblemUID is the identity of a rule's match of a line.
func ProblemUID(node string, at Place, rule string) UID {
	w := newUIDWriter("problem")
	w.place(node, at)
	w.text(rule)
	return w.sum()
}

// VerdictUID is the identity of what one run of a check says of an instance.
func VerdictUID(node, boot, check, instance string, start time.Duration) UID {
	w := newUIDWriter("problem")
	w.text(node)
	w.text(boot)
	w.text(check)
	w.text(instance)
	w.number(uint64(start.Nanoseconds())) //nolint:gosec // a run starts after the boot
	return w.sum()
}

// TransitionUID is the identity of a condition's change to a status. The cause
// is the UID of what made it: a problem's, or one made by [CauseUID].
func TransitionUID(cause UID, conditionType string, status ConditionStatus) UID {
	w := newUIDWriter("transition")
	w.text(conditionType)
	w.text(string(cause[:]))
	w.text(string(status))
	return w.sum()
}

// CauseUID is the identity of what is no line and no verdict but turns a
// condition: a boot, a timer, a reload, an operator's request.
func CauseUID(kind string, fields ...string) UID {
	w := newUIDWriter(kind)
	for _, field := range fields {
		w.text(field)
	}
	return w.sum()
}

type uidWriter struct{ h hash.Hash }

func newUIDWriter(kind string) uidWriter {
	w := uidWriter{sha256.New()}
	w.text(kind)
	return w
}

func (w uidWriter) place(node string, at Place) {
	w.text(node)
	w.text(at.Scope)
	w.text(at.Source)
	w.number(at.Generation)
	w.number(at.Position)
}

func (w uidWriter) text(field string) {
	w.length(len(field))
	w.h.Write([]byte(field))
}

func (w uidWriter) number(n uint64) {
	w.length(8)
	w.h.Write(binary.BigEndian.AppendUint64(nil, n))
}

func (w uidWriter) length(n int) {
	w.h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // a length is never negative
}

func (w uidWriter) sum() UID {
	return UID(w.h.Sum(nil)[:16])
}
