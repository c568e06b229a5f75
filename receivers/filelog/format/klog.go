package format

import (
	"bytes"

	"go.opentelemetry.io/otel/log"
)

// klog reads what Kubernetes' components write (k8s.io/klog):
//
//	Lmmdd hh:mm:ss.uuuuuu threadid file:line] msg
type klog struct{}

// Attributes of klog's header.
const (
	AttributeFile   = "code.file.path"
	AttributeLine   = "code.line.number"
	AttributeThread = "thread.id"
)

func (klog) HasTimes() bool { return true }

func (klog) Parse(line []byte, when *Times, _ *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	const clock = len("I0102 ")
	if len(line) < len("I0102 15:04:05.000000") || line[clock-1] != ' ' {
		return false
	}
	severity := klogSeverity(line[0])
	at, length, ok := when.stamp(line[1:], clock-1, klogDate)
	if severity == 0 || !ok {
		return false
	}
	length++
	end := headerEnd(line[length:])
	if end < 0 {
		return false
	}
	to.Time, to.Severity, to.Body = at, severity, line[length+end+2:]
	to.later(line[length:length+end], (*Entry).klogHeader)
	return true
}

// klogDate reads 0102.
func klogDate(c *civil, text []byte) (ok bool) {
	var okDay bool
	c.month, ok = digits(text[0:2])
	c.day, okDay = digits(text[2:4])
	return ok && okDay
}

// headerEnd finds where a header ends: at "] ".
func headerEnd(text []byte) int {
	for at := 0; ; at++ {
		next := bytes.IndexByte(text[at:], ']')
		if at += next; next < 0 || at+1 >= len(text) {
			return -1
		}
		if text[at+1] == ' ' {
			return at
		}
	}
}

// klogHeader reads threadid file:line.
func (e *Entry) klogHeader(header []byte) {
	first, second, ok := bytes.Cut(bytes.TrimSpace(header), []byte{' '})
	if !ok {
		return
	}
	if thread, ok := digits(first); ok && len(first) < 18 {
		e.number(AttributeThread, int64(thread))
	}
	file, number, _ := bytes.Cut(second, []byte{':'})
	e.text(AttributeFile, file)
	if n, ok := digits(number); ok && len(number) < 18 {
		e.number(AttributeLine, int64(n))
	}
}

func klogSeverity(letter byte) log.Severity {
	switch letter {
	case 'I':
		return log.SeverityInfo
	case 'W':
		return log.SeverityWarn
	case 'E':
		return log.SeverityError
	case 'F':
		return log.SeverityFatal
	default:
		return log.SeverityUndefined
	}
}
