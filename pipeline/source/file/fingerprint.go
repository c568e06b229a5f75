package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

const (
	// headSize is how much of a file's beginning its fingerprint is made of at most.
	headSize = 256
	// tailSize is how much before an offset is.
	tailSize = 64
)

// Print is a fingerprint of some bytes.
type Print struct {
	// Length is how many.
	Length int `json:"length,omitempty"`
	// Sum is made of them by SHA-256.
	Sum uint64 `json:"sum,omitempty"`
}

func printOf(text []byte) Print {
	if len(text) == 0 {
		return Print{}
	}
	sum := sha256.Sum256(text)
	return Print{Length: len(text), Sum: binary.BigEndian.Uint64(sum[:])}
}

// matches tells whether it is of these bytes.
func (p Print) matches(text []byte) bool { return len(text) == p.Length && printOf(text) == p }

// keyOf names a file by its first line, which does not change while the file grows.
func keyOf(head []byte) string {
	if at := bytes.IndexByte(head, '\n'); at >= 0 {
		head = head[:at+1]
	}
	sum := sha256.Sum256(head)
	return hex.EncodeToString(sum[:8])
}

// last returns the end of a text.
func last(text []byte, size int) []byte { return text[max(0, len(text)-size):] }
