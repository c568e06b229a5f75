// Package terminal makes text from hostile places (log lines, names of devices
// and containers) harmless to show on a terminal. A terminal obeys control
// characters and escape sequences, and bidirectional controls let one text look
// like another; they are shown as escapes instead.
package terminal

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Harmless tells whether a character may reach a terminal as it is: it prints
// something where it stands, and steers nothing. Controls (C0, DEL, C1),
// format characters (bidirectional and zero-width ones among them: category
// Cf), and the line and paragraph separators U+2028 and U+2029 do not.
func Harmless(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// AppendText appends text with all that is not [Harmless] shown as \xNN,
// \uNNNN or \UNNNNNNNN; bytes that are not UTF-8 become \xNN.
func AppendText(to []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			to = fmt.Appendf(to, `\x%02x`, text[i])
		case Harmless(r):
			to = append(to, text[i:i+size]...)
		default:
			to = appendEscape(to, r)
		}
		i += size
	}
	return to
}

// Text is AppendText to nothing.
func Text(text string) string { return string(AppendText(nil, text)) }

func appendEscape(to []byte, r rune) []byte {
	switch {
	case r == '\n':
		return append(to, `\n`...)
	case r == '\t':
		return append(to, `\t`...)
	case r < 0x100:
		return fmt.Appendf(to, `\x%02x`, r)
	case r < 0x10000:
		return fmt.Appendf(to, `\u%04x`, r)
	default:
		return fmt.Appendf(to, `\U%08x`, r)
	}
}

// AppendJSON appends a JSON text, indented by spaces at most, with all that is not [Harmless]
// written as \uNNNN. Since such characters can only stand inside JSON strings,
// the values stay the same. A newline between values stays.
func AppendJSON(to, json []byte) []byte {
	for i := 0; i < len(json); {
		r, size := utf8.DecodeRune(json[i:])
		switch {
		case Harmless(r) || r == '\n':
			to = append(to, json[i:i+size]...)
		case r > 0xffff:
			high, low := surrogates(r)
			to = fmt.Appendf(to, `\u%04x\u%04x`, high, low)
		default:
			to = fmt.Appendf(to, `\u%04x`, r)
		}
		i += size
	}
	return to
}

// surrogates are the two halves that JSON writes a character beyond U+FFFF in
// (RFC 8259, section 7).
func surrogates(r rune) (high, low rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}
