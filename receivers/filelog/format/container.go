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
	if !ok || length >= len(line) || line[length] != ' ' {
		return false
	}
	name, rest, ok := bytes.Cut(line[length+1:], []byte{' '})
	if !ok {
		return false
	}
	stream, ok := parseStream(string(name))
	tags, text, _ := bytes.Cut(rest, []byte{' '})
	tag, _, _ := bytes.Cut(tags, []byte{':'})
	if !ok || (string(tag) != "F" && string(tag) != "P") {
		return false
	}
	to.Time, to.Stream, to.Partial, to.Body = at, stream, tag[0] == 'P', text
	return true
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
			to.Stream, _ = parseStream(string(value))
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
