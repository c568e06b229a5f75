package command

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Text makes text of what a command wrote: without white space at its ends, bytes that
// are no UTF-8 and control characters but line feeds and tabs replaced by U+FFFD. Where
// truncated, a character of which the end is missing is left out.
func Text(output []byte, truncated bool) string {
	if truncated {
		output = WholeRunes(output)
	}
	text := strings.ToValidUTF8(string(bytes.TrimSpace(output)), "\ufffd")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return utf8.RuneError
		}
		return r
	}, text)
}

// WholeRunes returns bytes without a character at their end of which a part is
// missing.
func WholeRunes(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		start := len(b) - i
		if !utf8.RuneStart(b[start]) {
			continue
		}
		if !utf8.FullRune(b[start:]) {
			return b[:start]
		}
		break
	}
	return b
}

// Cut cuts text to at most limit bytes, at the border of a character.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
