package condition

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// MaxInstanceBytes is the longest instance of a problem.
const MaxInstanceBytes = 253

// CleanMessage appends text as valid UTF-8 without characters that steer a
// terminal or turn its writing round; newlines and tabs stay. cut tells whether
// it was longer than a message may be.
func CleanMessage(to, text []byte) (message []byte, cut bool) {
	to = clean(to, text, true)
	if len(to) <= MaxMessageBytes {
		return to, false
	}
	return cutAtRune(to, MaxMessageBytes), true
}

// CleanInstance returns text cleaned, on one line. What is too long is cut and
// ends in a digest of the whole, so that two instances do not become one.
func CleanInstance(text []byte) (instance string, cut bool) {
	cleaned := clean(nil, text, false)
	if len(cleaned) <= MaxInstanceBytes {
		return string(cleaned), false
	}
	digest := sha256.Sum256(cleaned)
	tail := "~" + hex.EncodeToString(digest[:8])
	return string(cutAtRune(cleaned, MaxInstanceBytes-len(tail))) + tail, true
}

// clean appends text without control characters; bytes that are no UTF-8 become
// the replacement character.
func clean(to, text []byte, keepLines bool) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if steersTerminal(r) && (!keepLines || r != '\n' && r != '\t') {
			continue
		}
		to = utf8.AppendRune(to, r)
	}
	return to
}

// steersTerminal tells whether r is of C0, DEL, C1 or the bidirectional controls
// (Unicode Standard Annex 9, table 1).
func steersTerminal(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	default:
		return false
	}
}

// cutAtRune cuts text to at most limit bytes, at the border of a rune.
func cutAtRune(text []byte, limit int) []byte {
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
