package format

import (
	"bytes"
)

// logfmt reads key=value pairs, as logrus and others write them: values with spaces
// stand in quotes, with the escapes of Go.
type logfmt struct{ fields *fields }

func (logfmt) HasTimes() bool { return true }

func (l logfmt) Parse(line []byte, when *Times, scratch *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	rest, pairs := line, 0
	for len(rest) > 0 {
		rest = bytes.TrimLeft(rest, " \t")
		end := bytes.IndexAny(rest, "= \t\"")
		if end <= 0 || rest[end] != '=' {
			break
		}
		name := rest[:end]
		value, behind, ok := pairValue(rest[end+1:], scratch)
		if !ok {
			break
		}
		l.fields.take(name, value, when, to)
		rest = behind
		pairs++
	}
	if pairs == 0 || len(bytes.TrimSpace(rest)) > 0 {
		to.reset()
		to.Body = line
		return false
	}
	return true
}

// pairValue reads a value, in quotes or up to the next space.
func pairValue(text []byte, scratch *Scratch) (value, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		end := bytes.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], true
	}
	s := scanner{text: text}
	escaped, ok := s.pastQuoted()
	if !ok || (s.at < len(text) && text[s.at] != ' ' && text[s.at] != '\t') {
		return nil, nil, false
	}
	raw := text[1 : s.at-1]
	if !escaped {
		return raw, text[s.at:], true
	}
	if value, ok = scratch.unescape(raw); !ok { // \x00 and the like stay as they stand
		value = raw
	}
	return value, text[s.at:], true
}
