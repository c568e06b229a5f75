package journalfile

import (
	"encoding/hex"
	"fmt"
)

// ID is a 128-bit id of systemd: a machine, a boot, a file, a series of sequence
// numbers.
type ID [16]byte

// ParseID reads 32 hexadecimal digits, or a UUID with its hyphens.
func ParseID(text string) (ID, error) {
	var id ID
	plain := text
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		plain = text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	}
	if len(plain) != 32 {
		return ID{}, fmt.Errorf("%q is no id: want 32 hexadecimal digits", text)
	}
	if _, err := hex.Decode(id[:], []byte(plain)); err != nil {
		return ID{}, fmt.Errorf("%q is no id: want 32 hexadecimal digits", text)
	}
	return id, nil
}

// String returns 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// AppendText appends the 32 digits; it never fails.
func (id ID) AppendText(to []byte) ([]byte, error) { return hex.AppendEncode(to, id[:]), nil }

// IsZero tells whether the id was never set.
func (id ID) IsZero() bool { return id == ID{} }
