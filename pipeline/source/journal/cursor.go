package journal

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// Entry is one entry of the journal.
type Entry = journalfile.Entry

// Cursor is the place of an entry in the journal. Its text is that of journalctl's
// --cursor, --after-cursor and --show-cursor.
type Cursor journalfile.Key

// CursorOf returns the place of an entry.
func CursorOf(e *Entry) Cursor { return Cursor(e.Key) }

// Compare returns -1, 0 or 1 as the entry comes before, is, or comes after another
// one, in journalctl's order.
func (c Cursor) Compare(other Cursor) int {
	return compare((*journalfile.Key)(&c), (*journalfile.Key)(&other))
}

// IsZero tells whether the cursor is of no entry.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// String returns the cursor's text.
func (c Cursor) String() string {
	text, _ := c.AppendText(make([]byte, 0, 160)) // never fails
	return string(text)
}

// AppendText appends the cursor's text; it never fails.
func (c Cursor) AppendText(to []byte) ([]byte, error) {
	to = append(to, "s="...)
	to, _ = c.SeqnumID.AppendText(to)
	to = strconv.AppendUint(append(to, ";i="...), c.Seqnum, 16)
	to = append(to, ";b="...)
	to, _ = c.BootID.AppendText(to)
	to = strconv.AppendUint(append(to, ";m="...), c.Monotonic, 16)
	to = strconv.AppendUint(append(to, ";t="...), c.Realtime, 16)
	to = strconv.AppendUint(append(to, ";x="...), c.XorHash, 16)
	return to, nil
}

// MarshalText returns the cursor's text; it never fails.
func (c Cursor) MarshalText() ([]byte, error) { return c.AppendText(nil) }

// UnmarshalText reads what MarshalText wrote.
func (c *Cursor) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCursor(string(text))
	return err
}

// maxCursor bounds a cursor's text.
const maxCursor = 512

// ParseCursor reads a cursor's text. All parts must be there but x, in any order;
// parts with other names are ignored.
func ParseCursor(text string) (Cursor, error) {
	var c Cursor
	if len(text) > maxCursor {
		return c, fmt.Errorf("a cursor of %d bytes is none", len(text))
	}
	seen := ""
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		if len(name) != 1 || !strings.Contains("sibmtx", name) {
			continue
		}
		if strings.Contains(seen, name) {
			return Cursor{}, fmt.Errorf("%q is no cursor: %s is there twice", text, name)
		}
		seen += name
		if err := c.parse(name, value); err != nil {
			return Cursor{}, fmt.Errorf("%q is no cursor: %s=%s: %w", text, name, value, err)
		}
	}
	for _, name := range []string{"s", "i", "b", "m", "t"} {
		if !strings.Contains(seen, name) {
			return Cursor{}, fmt.Errorf("%q is no cursor: %s= is missing", text, name)
		}
	}
	return c, nil
}

func (c *Cursor) parse(name, value string) (err error) {
	switch name {
	case "s":
		c.SeqnumID, err = journalfile.ParseID(value)
	case "b":
		c.BootID, err = journalfile.ParseID(value)
	case "i":
		c.Seqnum, err = strconv.ParseUint(value, 16, 64)
	case "m":
		c.Monotonic, err = strconv.ParseUint(value, 16, 64)
	case "t":
		c.Realtime, err = strconv.ParseUint(value, 16, 64)
	default:
		c.XorHash, err = strconv.ParseUint(value, 16, 64)
	}
	return err
}
