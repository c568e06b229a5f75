package strictyaml

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// badCharacter finds the first character that YAML does not take; the parser
// tells of it too, but not where it stands.
func badCharacter(data []byte) (at Position, fault string) {
	at = Position{1, 1}
	for i, width := 0, 0; i < len(data); i += width {
		var r rune
		r, width = utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			return at, fmt.Sprintf("the byte 0x%02x is no UTF-8", data[i])
		case !isPrintable(r):
			return at, fmt.Sprintf("the character %U is not allowed: in double quotes write \\u%04x", r, r)
		case r == '\n':
			at = Position{at.Line + 1, 1}
		default:
			at.Column++
		}
	}
	return at, ""
}

// isPrintable is c-printable: https://yaml.org/spec/1.2.2/#51-character-set.
func isPrintable(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r == 0x85:
		return true
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}

// characterAt returns the character at a place, 0 if there is none.
func characterAt(data []byte, at Position) rune {
	line := 1
	for text := range bytes.Lines(data) {
		if line < at.Line {
			line++
			continue
		}
		if characters := []rune(string(text)); at.Column <= len(characters) {
			return characters[at.Column-1]
		}
		break
	}
	return 0
}
