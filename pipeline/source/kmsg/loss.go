package kmsg

import (
	"encoding/binary"
	"fmt"
)

// Reason says why records were lost.
type Reason uint8

// The reasons for which records are lost.
const (
	// Overrun: the kernel overwrote them before they were read.
	Overrun Reason = iota
	// QueueFull: they were read while those behind the reader were too slow.
	QueueFull
	// TooLong: longer than [MaxRecord].
	TooLong
	// Malformed: bytes that are no record.
	Malformed
	reasons
)

var reasonNames = [reasons]string{"overrun", "queue_full", "too_long", "malformed"}

// Reasons returns all reasons.
func Reasons() []Reason { return []Reason{Overrun, QueueFull, TooLong, Malformed} }

// String returns overrun, queue_full, too_long or malformed.
func (r Reason) String() string {
	if r >= reasons {
		return fmt.Sprintf("Reason(%d)", uint8(r))
	}
	return reasonNames[r]
}

// Loss counts lost records by their [Reason].
type Loss [reasons]uint64

// Total is the number of all lost records.
func (l *Loss) Total() uint64 {
	total := uint64(0)
	for _, n := range l {
		total += n
	}
	return total
}

func (l *Loss) add(other Loss) {
	for i, n := range other {
		l[i] += n
	}
}

// fit makes the total equal to the number of records that the sequence numbers
// say are missing. What no reason explains the kernel has overwritten; what is
// too much somebody else has missed. Bytes that are no record may have had no
// number, so they stay counted.
func (l *Loss) fit(missing uint64) {
	total := l.Total()
	if total < missing {
		l[Overrun] += missing - total
		return
	}
	for _, reason := range []Reason{Overrun, QueueFull, TooLong} {
		excess := min(l[reason], total-missing)
		l[reason] -= excess
		total -= excess
	}
}

// note is what the reader has to say beside records.
type note struct {
	lost       Loss
	next       uint64 // the sequence number behind what was lost; 0: not known
	backlogEnd bool   // all records found at open are through
}

func (n *note) isZero() bool { return *n == note{} }

func (n *note) add(other note) {
	n.lost.add(other.lost)
	n.next = max(n.next, other.next)
	n.backlogEnd = n.backlogEnd || other.backlogEnd
}

// noteEntry is the size of a note among the entries of a queue.
const noteEntry = entryHeader + (int(reasons)+2)*8

func (n *note) put(to []byte) {
	putHeader(to, kindNote, noteEntry-entryHeader)
	to = to[entryHeader:]
	for i, count := range n.lost {
		binary.LittleEndian.PutUint64(to[i*8:], count)
	}
	binary.LittleEndian.PutUint64(to[len(n.lost)*8:], n.next)
	ended := uint64(0)
	if n.backlogEnd {
		ended = 1
	}
	binary.LittleEndian.PutUint64(to[len(n.lost)*8+8:], ended)
}

func noteFrom(entry []byte) (n note) {
	for i := range n.lost {
		n.lost[i] = binary.LittleEndian.Uint64(entry[i*8:])
	}
	n.next = binary.LittleEndian.Uint64(entry[len(n.lost)*8:])
	n.backlogEnd = binary.LittleEndian.Uint64(entry[len(n.lost)*8+8:]) == 1
	return n
}
