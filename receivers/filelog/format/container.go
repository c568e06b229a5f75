package format

import (
	"bytes"
)

// AttributeStream says what a container wrote to: stdout or stderr.
const AttributeStream = "log.iostream"

// cri reads what container runtimes write for the kubelet (its CRI logging format):
//
//	2016-10-06T00:17:09.669794202Z stdout P text
//
// The tags are separated by colons; the first is P (partial) or F (full).
type cri struct{}

func (cri) HasTimes() bool { return true }

func (cri) Parse(line []byte, when *Times, _ *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	at, length, ok := when.rfc3339(line)
	if !ok {
		return false
	}
	rest, ok := to.criTags(line[length:])
	if !ok {
		to.Stream, to.Partial = NoStream, false
		return false
	}
	to.Time, to.Body = at, rest
	return true
}

// criTags reads what is between the time and the text, which is not there without one.
func (e *Entry) criTags(text []byte) (rest []byte, ok bool) {
	const toTag = len(" stdout ")
	if len(text) <= toTag || text[0] != ' ' || text[toTag-1] != ' ' {
		return nil, false
	}
	e.Stream, ok = parseStream(text[1 : toTag-1])
	e.Partial = text[toTag] == 'P'
	if !ok || !e.Partial && text[toTag] != 'F' {
		return nil, false
	}
	rest = text[toTag+1:]
	if len(rest) > 0 && rest[0] == ':' { // more tags, of no meaning yet
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		rest = rest[end:]
	}
	if len(rest) == 0 {
		return nil, true
	}
	return rest[1:], rest[0] == ' '
}

// docker reads the files of Docker's json-file driver:
//
//	{"log":"text\n","stream":"stdout","attrs":{…},"time":"2016-10-06T00:17:09.669794202Z"}
//
// A text without its newline goes on in the next line of the stream.
type docker struct{}

func (docker) HasTimes() bool { return true }

func (docker) Parse(line []byte, when *Times, scratch *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	var text []byte
	var hasText bool
	ok := eachMember(line, scratch, func(name, value []byte, kind valueKind) {
		switch {
		case kind != textValue:
		case string(name) == "log":
			text, hasText = value, true
		case string(name) == "stream":
			to.Stream, _ = parseStream(value)
		case string(name) == "time":
			to.Time, _ = when.any(value)
		}
	})
	if !ok || !hasText {
		to.reset()
		to.Body = line
		return false
	}
	whole, ended := bytes.CutSuffix(text, []byte{'\n'})
	to.Body, to.Partial = bytes.TrimSuffix(whole, []byte{'\r'}), !ended
	return true
}
