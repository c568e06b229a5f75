// Package format reads the forms that lines of logs have: what stands before the text,
// and when, how grave and by whom it was written. It knows nothing of files.
//
// No input makes it panic; a line that has not the form is told as such. Texts point
// into the line, or into the [Scratch] that the caller gives.
package format

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/log"
)

// Entry is what a line says.
type Entry struct {
	// Time is when it was written; zero: the line does not say.
	Time time.Time
	// Severity is undefined where the line does not say.
	Severity log.Severity
	// Body is the text.
	Body []byte
	// Stream is what a container wrote to.
	Stream Stream
	// Partial tells that the text goes on in the next line of the stream.
	Partial bool
	// Attributes are what else it says, as far as that is decoded: ask [Entry.Decode].
	Attributes []Attribute

	header []byte                      // what is not decoded yet
	decode func(e *Entry, from []byte) // how it is; nil: it is
}

// reset keeps the memory. What is not needed is left as it is: the body, which every
// parser sets, and the header, which only decode reads.
func (e *Entry) reset() {
	e.Time, e.Severity, e.Stream, e.Partial = time.Time{}, log.SeverityUndefined, NoStream, false
	e.Attributes, e.decode = e.Attributes[:0], nil
}

// later leaves attributes to be decoded by who asks for them: of most lines nobody
// does.
func (e *Entry) later(header []byte, decode func(e *Entry, from []byte)) {
	e.header, e.decode = header, decode
}

// Decode returns all attributes.
func (e *Entry) Decode() []Attribute {
	if decode := e.decode; decode != nil {
		e.decode = nil
		decode(e, e.header)
	}
	return e.Attributes
}

func (e *Entry) text(key string, value []byte) {
	if len(value) > 0 && len(e.Attributes) < maxAttributes {
		e.Attributes = append(e.Attributes, Attribute{Key: key, Text: value})
	}
}

func (e *Entry) number(key string, value int64) {
	if len(e.Attributes) < maxAttributes {
		e.Attributes = append(e.Attributes, Attribute{Key: key, Number: value, IsNumber: true})
	}
}

// maxAttributes is how many a line has at most.
const maxAttributes = 32

// Attribute is a named value of a line.
type Attribute struct {
	Key      string
	Text     []byte
	Number   int64
	IsNumber bool
}

// Stream is where a container wrote to.
type Stream uint8

// The streams of a container.
const (
	NoStream Stream = iota
	Stdout
	Stderr
	// Streams is how many there are.
	Streams
)

// String returns stdout, stderr or nothing.
func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	default:
		return ""
	}
}

func parseStream(name []byte) (Stream, bool) {
	switch string(name) {
	case "stdout":
		return Stdout, true
	case "stderr":
		return Stderr, true
	default:
		return NoStream, false
	}
}

// Scratch holds texts that had to be decoded. They are valid until it is reset.
type Scratch struct{ bytes []byte }

// Reset makes its memory free to be used again.
func (s *Scratch) Reset() { s.bytes = s.bytes[:0] }

// Keep copies a text.
func (s *Scratch) Keep(text ...[]byte) []byte {
	start := len(s.bytes)
	for _, part := range text {
		s.bytes = append(s.bytes, part...)
	}
	return s.since(start)
}

func (s *Scratch) since(start int) []byte { return s.bytes[start:len(s.bytes):len(s.bytes)] }

// Parser reads lines of one form. It may be used by one goroutine at a time.
type Parser interface {
	// Parse reads a line into an entry, all of which it sets. ok is false where the
	// line has not the form: then the body is the line as it stands.
	Parse(line []byte, when *Times, scratch *Scratch, to *Entry) (ok bool)
	// HasTimes tells whether lines of the form say when they were written.
	HasTimes() bool
}

// Options say what a form is like, where it is not the same everywhere.
type Options struct {
	// TimeField, SeverityField and MessageField are the names of fields of JSON and
	// logfmt. Empty: the usual ones.
	TimeField, SeverityField, MessageField string
}

// The names of forms.
const (
	Plain  = "plain"
	Klog   = "klog"
	Syslog = "syslog"
	Docker = "docker"
	CRI    = "cri"
	Logfmt = "logfmt"
	JSON   = "json"
)

// Names are the forms that there are.
func Names() []string { return []string{Plain, Klog, Syslog, Docker, CRI, Logfmt, JSON} }

// New returns the parser of a form, or nil if there is none of that name.
func New(name string, options Options) Parser {
	switch name {
	case Plain:
		return plain{}
	case Klog:
		return klog{}
	case Syslog:
		return syslog{}
	case Docker:
		return docker{}
	case CRI:
		return cri{}
	case Logfmt:
		return logfmt{newFields(options)}
	case JSON:
		return jsonLines{newFields(options)}
	default:
		return nil
	}
}

type plain struct{}

func (plain) Parse(line []byte, _ *Times, _ *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	return true
}

func (plain) HasTimes() bool { return false }

// fields are the names under which a line of fields says the usual things.
type fields struct {
	time, severity, message []string
	keys                    map[string]string // of attributes, by the names of fields
}

// maxKeys is for how many names the keys are kept.
const maxKeys = 256

// key is that of the attribute for a field.
func (f *fields) key(name []byte) string {
	key, ok := f.keys[string(name)]
	if !ok {
		key = AttributeField + string(name)
		if len(f.keys) < maxKeys {
			f.keys[string(name)] = key
		}
	}
	return key
}

func newFields(options Options) *fields {
	choose := func(own string, usual ...string) []string {
		if own != "" {
			return []string{own}
		}
		return usual
	}
	return &fields{
		keys:     map[string]string{},
		time:     choose(options.TimeField, "time", "ts", "timestamp", "@timestamp"),
		severity: choose(options.SeverityField, "level", "severity", "lvl"),
		message:  choose(options.MessageField, "msg", "message"),
	}
}

// AttributeField is what the names of other fields stand behind, as attributes.
const AttributeField = "log.field."

// take gives a field to the entry.
func (f *fields) take(name, value []byte, when *Times, to *Entry) {
	switch {
	case among(f.message, name):
		to.Body = value
	case among(f.severity, name):
		to.Severity = severityWord(value)
	case among(f.time, name):
		to.Time, _ = when.any(value)
	default:
		to.text(f.key(name), value)
	}
}

func among(names []string, name []byte) bool {
	return slices.ContainsFunc(names, func(one string) bool { return one == string(name) })
}
