package pstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// part is a piece of a dump. The kernel saves as much of the end of its log as a
// record of the backend holds, then what is before that, and so on: part 1 is the
// newest.
type part struct {
	// id is made from what the part holds, wherever it was found.
	id string
	// reason is why it was saved (Panic, Oops …), count the number of the dump in its
	// boot.
	reason        string
	count, number int
	kind, backend string
	time          time.Time
	body          []byte
	files         []file // that hold it and can be removed
}

// The reasons that are not the kernel's own: it has Panic, Oops, Emergency and
// Shutdown; before Linux 5.8 also Restart, Halt and Poweroff (kmsg_dump_reason_str
// in kernel/printk/printk.c).
const (
	reasonPanic   = "Panic"
	reasonOops    = "Oops"
	reasonUnknown = "Unknown"
	reasonReset   = "Reset"
)

// maxNumber bounds the numbers in a part's head.
const maxNumber = 1 << 20

// splitParts cuts the text of a file into the parts that it holds: one, or, of what
// systemd-pstore has put together, several. Before each stands a line
// REASON#COUNT PartNUMBER (pstore_dump in fs/pstore/platform.c). A text without is
// one part.
func splitParts(content []byte) []part {
	var parts []part
	start := 0 // of the part under way
	at := 0
	current := part{reason: reasonUnknown, number: 1}
	finish := func(end int) {
		if current.take(content[start:end]) {
			parts = append(parts, current)
		}
	}
	for line := range bytes.Lines(content) {
		next := at + len(line)
		if reason, count, number, ok := parseHead(bytes.TrimRight(line, "\r\n")); ok {
			finish(at)
			current, start = part{reason: reason, count: count, number: number}, next
		}
		at = next
	}
	finish(len(content))
	return parts
}

// take sets the body, and with it the identity. It tells whether there is one.
func (p *part) take(body []byte) bool {
	p.body = trimBody(body)
	if len(p.body) == 0 {
		return false
	}
	h := sha256.New()
	h.Write(strconv.AppendInt([]byte(p.reason+"#"), int64(p.count), 10))
	h.Write(strconv.AppendInt([]byte(" "), int64(p.number), 10))
	h.Write([]byte{'\n'})
	h.Write(p.body)
	p.id = hex.EncodeToString(h.Sum(nil)[:idBytes])
	return true
}

// idBytes is how much of the SHA-256 makes an id.
const idBytes = 16

// blanks is what stands at the ends of texts that are shorter than their record.
const blanks = " \t\r\n\x00"

// trimBody cuts off what is not of the log: white space, what ramoops tells behind
// it of its error correction, and the names of files that older versions of
// systemd-pstore put between the parts.
func trimBody(body []byte) []byte {
	body = bytes.Trim(body, blanks)
	for {
		start := bytes.LastIndexByte(body, '\n') + 1
		if line := body[start:]; !isCorrectionNote(line) && !isFileNote(line) {
			break
		}
		body = bytes.TrimRight(body[:start], blanks)
	}
	if line, rest, _ := bytes.Cut(body, []byte{'\n'}); bytes.HasPrefix(line, []byte("====")) {
		body = rest // ramoops' own head, which old kernels leave in
	}
	return body
}

// isCorrectionNote knows what persistent_ram_ecc_string writes (fs/pstore/ram_core.c).
func isCorrectionNote(line []byte) bool {
	return string(line) == "No errors detected" ||
		len(line) < 80 && bytes.HasSuffix(line, []byte(" unrecoverable blocks")) && bytes.Contains(line, []byte(" Corrected bytes, "))
}

func isFileNote(line []byte) bool {
	name, ok := bytes.CutSuffix(line, []byte{':'})
	if !ok || len(name) > 80 {
		return false
	}
	parsed, known := parseName(string(name))
	return known && parsed.backend != ""
}

// parseHead reads "Panic#1 Part2".
func parseHead(line []byte) (reason string, count, number int, ok bool) {
	const longest = 64
	if len(line) > longest {
		return "", 0, 0, false
	}
	word, rest, found := bytes.Cut(line, []byte{'#'})
	first, second, both := bytes.Cut(rest, []byte(" Part"))
	if !found || !both || !isWord(word) {
		return "", 0, 0, false
	}
	count, known := parseNumber(first)
	number, alsoKnown := parseNumber(second)
	return string(word), count, number, known && alsoKnown
}

func isWord(word []byte) bool {
	for i, c := range word {
		if (c < 'A' || c > 'Z') && (i == 0 || c < 'a' || c > 'z') {
			return false
		}
	}
	return len(word) > 0 && len(word) <= 16
}

func parseNumber(text []byte) (int, bool) {
	if len(text) == 0 || len(text) > 7 || !isNumber(string(text)) {
		return 0, false
	}
	n, err := strconv.Atoi(string(text))
	return n, err == nil && n < maxNumber
}
