package kmsg

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// MaxRecord is the size of the buffer for one record, in bytes: the kernel's
// own limit on what one read gives (PRINTK_MESSAGE_MAX is 2048 since Linux 6.0,
// CONSOLE_EXT_LOG_MAX was 8192 before).
const MaxRecord = 8192

// The kernel keeps the facility in eight bits, the severity in three.
const maxPriority = 1<<11 - 1

// The ways in which bytes are no record.
var (
	errNoHeader   = errors.New("no PRIORITY,SEQUENCE,MICROSECONDS,FLAGS; in front of the text")
	errNoNumber   = errors.New("not a decimal number")
	errOutOfRange = errors.New("number out of range")
)

// Parse reads one record as a read of /dev/kmsg gives it:
//
//	PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,MORE];TEXT\n[ KEY=VALUE\n]...
//
// Fields of the header that it does not know are skipped. Escapes in the text
// are decoded in place, so raw is changed and belongs to the record from now on.
// It allocates nothing unless raw is no record.
func Parse(record *Record, raw []byte) error {
	header, body, err := parseHeader(raw)
	if err != nil {
		return err
	}
	text, dictionary, _ := bytes.Cut(body, []byte{'\n'})
	record.Facility, record.Severity = header.priority>>3, header.priority&7
	record.Sequence = header.sequence
	record.Microseconds = header.microseconds
	record.Text = unescape(text)
	record.dictionary = dictionary
	record.Absent = 0
	return nil
}

type header struct {
	priority     int
	sequence     uint64
	microseconds int64
}

// parseHeader reads the three numbers and returns what stands behind the first
// semicolon.
func parseHeader(raw []byte) (header, []byte, error) {
	priority, rest, err := number(raw, maxPriority)
	if err != nil {
		return header{}, nil, fmt.Errorf("priority: %w", err)
	}
	sequence, rest, err := number(rest, math.MaxInt64)
	if err != nil {
		return header{}, nil, fmt.Errorf("sequence: %w", err)
	}
	// Above some 292 years the stamp would not fit a time.Duration.
	microseconds, rest, err := lastNumber(rest, math.MaxInt64/1000)
	if err != nil {
		return header{}, nil, fmt.Errorf("microseconds: %w", err)
	}
	semicolon := bytes.IndexByte(rest, ';')
	if semicolon < 0 || bytes.IndexByte(rest[:semicolon], '\n') >= 0 {
		return header{}, nil, errNoHeader
	}
	return header{int(priority), sequence, int64(microseconds)}, rest[semicolon+1:], nil //nolint:gosec // bounded above
}

// number reads a decimal number and the comma behind it.
func number(raw []byte, limit uint64) (uint64, []byte, error) {
	value, rest, err := lastNumber(raw, limit)
	if err == nil && (len(rest) == 0 || rest[0] != ',') {
		return 0, nil, errNoHeader
	}
	if err != nil {
		return 0, nil, err
	}
	return value, rest[1:], nil
}

// lastNumber reads a decimal number that ends at a comma or semicolon, which it
// leaves.
func lastNumber(raw []byte, limit uint64) (uint64, []byte, error) {
	value, i := uint64(0), 0
	for ; i < len(raw) && raw[i] >= '0' && raw[i] <= '9'; i++ {
		digit := uint64(raw[i] - '0')
		if value > (limit-digit)/10 {
			return 0, nil, errOutOfRange
		}
		value = value*10 + digit
	}
	if i == 0 {
		return 0, nil, errNoNumber
	}
	if i == len(raw) || (raw[i] != ',' && raw[i] != ';') {
		return 0, nil, errNoHeader
	}
	return value, raw[i:], nil
}

// sequenceOf reads the sequence number alone.
func sequenceOf(raw []byte) (uint64, bool) {
	_, rest, err := number(raw, maxPriority)
	if err != nil {
		return 0, false
	}
	sequence, _, err := number(rest, math.MaxInt64)
	return sequence, err == nil
}

// unescape decodes \xNN in place. The kernel escapes control characters, bytes
// from 127 up and the backslash itself.
func unescape(text []byte) []byte {
	to := bytes.IndexByte(text, '\\')
	if to < 0 {
		return text
	}
	for from := to; from < len(text); to++ {
		c, width := text[from], 1
		if c == '\\' {
			if decoded, ok := hexEscape(text[from:]); ok {
				c, width = decoded, len(`\xNN`)
			}
		}
		text[to] = c
		from += width
	}
	return text[:to]
}

func hexEscape(text []byte) (byte, bool) {
	if len(text) < len(`\xNN`) || text[1] != 'x' {
		return 0, false
	}
	high, ok1 := hexDigit(text[2])
	low, ok2 := hexDigit(text[3])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	default:
		return 0, false
	}
}

// IsRecord tells whether a line begins as records of /dev/kmsg do.
func IsRecord(line []byte) bool {
	_, _, err := parseHeader(line)
	return err == nil
}
