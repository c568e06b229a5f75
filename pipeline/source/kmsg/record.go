package kmsg

import (
	"bytes"
	"time"
)

// Record is one record of the kernel's log. Its bytes are those that it was
// parsed from: they are valid as long as those.
type Record struct {
	// Facility and Severity are the syslog numbers.
	Facility, Severity int
	// Sequence is the kernel's number of the record, without gaps from the boot on.
	Sequence uint64
	// Microseconds is the kernel's time stamp as it stands: on a clock
	// (sched_clock) that does not count suspends and is not slewed.
	Microseconds int64
	// Time and Boot are that stamp on the wall clock and the boot clock. [Parse]
	// leaves them alone, a [Shared] source sets them.
	Time time.Time
	Boot time.Duration
	// Text is what was logged, escapes decoded: any bytes.
	Text []byte
	// Absent tells what a record that does not come from /dev/kmsg (a line of
	// dmesg) is without.
	Absent Absent

	dictionary []byte // lines as they came, escapes and all
}

// Absent is a set of what a record is without.
type Absent uint8

// What a record may be without.
const (
	AbsentFacility Absent = 1 << iota
	AbsentSeverity
	AbsentSequence
	AbsentMicroseconds
)

// has tells whether the record has what the bit stands for.
func (r *Record) has(bit Absent) bool { return r.Absent&bit == 0 }

// dictionaryLines calls yield with the keys and the values, still escaped, of
// the record's dictionary (SUBSYSTEM, DEVICE) until it returns false.
func (r *Record) dictionaryLines(yield func(key, escaped []byte) bool) {
	for line := range bytes.Lines(r.dictionary) {
		line = bytes.TrimPrefix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{' '})
		key, value, ok := bytes.Cut(line, []byte{'='})
		if ok && len(key) > 0 && !yield(key, value) {
			return
		}
	}
}

// Dictionary returns the value of a key of the record's dictionary. It
// allocates: few ask.
func (r *Record) Dictionary(key string) (value string, ok bool) {
	r.dictionaryLines(func(found, escaped []byte) bool {
		if string(found) == key {
			value, ok = string(unescape(bytes.Clone(escaped))), true
		}
		return !ok
	})
	return value, ok
}
