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
	const stamp = len("I0102 15:04:05.000000")
	if len(line) < stamp || line[5] != ' ' {
		return false
	}
	severity := klogSeverity(line[0])
	var c civil
	var okMonth, okDay bool
	c.month, okMonth = digits(line[1:3])
	c.day, okDay = digits(line[3:5])
	length, ok := c.clock(line[6:])
	end := bytes.Index(line, []byte("] "))
	if severity == 0 || !okMonth || !okDay || !ok || end < 0 {
		return false
	}
	at, ok := when.of(c)
	if !ok {
		return false
	}
	to.Time, to.Severity, to.Body = at, severity, line[end+2:]
	header := bytes.TrimSpace(line[6+length : end])
	first, second, ok := bytes.Cut(header, []byte{' '})
	if !ok {
		return true
	}
	if thread, ok := digits(first); ok && len(first) < 18 {
		to.number(AttributeThread, int64(thread))
	}
	file, number, _ := bytes.Cut(second, []byte{':'})
	to.text(AttributeFile, file)
	if n, ok := digits(number); ok && len(number) < 18 {
		to.number(AttributeLine, int64(n))
	}
	return true
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
