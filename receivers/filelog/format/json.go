package format

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonLines reads an object a line. Nested values are left out.
type jsonLines struct{ fields *fields }

func (jsonLines) HasTimes() bool { return true }

func (j jsonLines) Parse(line []byte, when *Times, scratch *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	ok := eachMember(line, scratch, func(name, value []byte, kind valueKind) {
		if kind == textValue || kind == plainValue {
			j.fields.take(name, value, when, to)
		}
	})
	if !ok {
		to.reset()
		to.Body = line
	}
	return ok
}

type valueKind uint8

const (
	textValue   valueKind = iota // decoded
	plainValue                   // a number, true or false
	nullValue                    // null
	nestedValue                  // an object or list, as it stands
)

// eachMember calls each for every member of an object (RFC 8259), in order; values
// are decoded into scratch where they must be. ok is false where the line is no
// object, or something stands behind it; then some members may have been called.
func eachMember(line []byte, scratch *Scratch, each func(name, value []byte, kind valueKind)) (ok bool) {
	s := scanner{text: line, scratch: scratch}
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return s.atEnd()
	}
	for {
		name, ok := s.quoted()
		if !ok || !s.take(':') {
			return false
		}
		value, kind, ok := s.value()
		if !ok {
			return false
		}
		each(name, value, kind)
		if s.take('}') {
			return s.atEnd()
		}
		if !s.take(',') {
			return false
		}
	}
}

// scanner walks through a JSON text.
type scanner struct {
	text    []byte
	at      int
	scratch *Scratch
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\r' || s.text[s.at] == '\n') {
		s.at++
	}
}

func (s *scanner) take(c byte) bool {
	s.space()
	if s.at >= len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) atEnd() bool {
	s.space()
	return s.at == len(s.text)
}

func (s *scanner) value() (value []byte, kind valueKind, ok bool) {
	s.space()
	if s.at >= len(s.text) {
		return nil, 0, false
	}
	switch s.text[s.at] {
	case '"':
		value, ok = s.quoted()
		return value, textValue, ok
	case '{', '[':
		value, ok = s.nested()
		return value, nestedValue, ok
	}
	start := s.at
	for s.at < len(s.text) && isPlain(s.text[s.at]) {
		s.at++
	}
	value = s.text[start:s.at]
	if string(value) == "null" {
		return value, nullValue, true
	}
	return value, plainValue, len(value) > 0
}

// isPlain tells whether a character is one of numbers, true, false and null.
func isPlain(c byte) bool {
	switch c {
	case '+', '-', '.', 'E', 'a', 'e', 'f', 'l', 'n', 'r', 's', 't', 'u':
		return true
	default:
		return c >= '0' && c <= '9'
	}
}

// nested goes past an object or list, whose inside is not checked.
func (s *scanner) nested() (value []byte, ok bool) {
	start, depth := s.at, 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			if _, ok := s.pastQuoted(); !ok {
				return nil, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return s.text[start:s.at], true
		}
	}
	return nil, false
}

// pastQuoted goes past a text. escaped tells whether there are escapes in it.
func (s *scanner) pastQuoted() (escaped, ok bool) {
	for s.at++; s.at < len(s.text); {
		rest := s.text[s.at:]
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			break
		}
		escape := bytes.IndexByte(rest[:end], '\\')
		if escape < 0 {
			s.at += end + 1
			return escaped, true
		}
		escaped = true
		s.at += escape + 2
	}
	return escaped, false
}

// quoted reads a text.
func (s *scanner) quoted() (text []byte, ok bool) {
	s.space()
	if s.at >= len(s.text) || s.text[s.at] != '"' {
		return nil, false
	}
	start := s.at + 1
	escaped, ok := s.pastQuoted()
	if !ok {
		return nil, false
	}
	raw := s.text[start : s.at-1]
	if !escaped {
		return raw, true
	}
	return s.scratch.unescape(raw)
}

// unescape decodes the escapes of a JSON text.
func (s *Scratch) unescape(raw []byte) (text []byte, ok bool) {
	start := len(s.bytes)
	for len(raw) > 0 {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 {
			s.bytes = append(s.bytes, raw...)
			break
		}
		s.bytes = append(s.bytes, raw[:at]...)
		if raw, ok = s.escape(raw[at+1:]); !ok {
			s.bytes = s.bytes[:start]
			return nil, false
		}
	}
	return s.since(start), true
}

func (s *Scratch) escape(raw []byte) (rest []byte, ok bool) {
	if len(raw) == 0 {
		return nil, false
	}
	if raw[0] == 'u' {
		return s.unicode(raw[1:])
	}
	at := bytes.IndexByte([]byte(`"\/bfnrt`), raw[0])
	if at < 0 {
		return nil, false
	}
	s.bytes = append(s.bytes, "\"\\/\b\f\n\r\t"[at])
	return raw[1:], true
}

func (s *Scratch) unicode(raw []byte) (rest []byte, ok bool) {
	first, ok := hex4(raw)
	if !ok {
		return nil, false
	}
	rest = raw[4:]
	if utf16.IsSurrogate(first) {
		second := rune(0)
		if bytes.HasPrefix(rest, []byte(`\u`)) {
			second, _ = hex4(rest[2:])
		}
		if first = utf16.DecodeRune(first, second); first != utf8.RuneError {
			rest = rest[6:]
		}
	}
	s.bytes = utf8.AppendRune(s.bytes, first)
	return rest, true
}

func hex4(text []byte) (r rune, ok bool) {
	if len(text) < 4 {
		return 0, false
	}
	for _, c := range text[:4] {
		at := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
		if at < 0 {
			return 0, false
		}
		r = r<<4 | rune(at) //nolint:gosec // at is less than 16
	}
	return r, true
}
