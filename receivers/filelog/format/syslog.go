package format

import (
	"bytes"
	"slices"
)

// syslog reads what syslog daemons write to files: RFC 5424, RFC 3164 with or without
// the priority, and rsyslog's and systemd's form of that with a time of RFC 3339.
type syslog struct{}

// Attributes of syslog.
const (
	AttributeFacility   = "log.facility"
	AttributeSeverity   = "log.severity"
	AttributeHost       = "host.name"
	AttributeProcess    = "process.pid"
	AttributeApp        = "log.syslog.appname"
	AttributeMessageID  = "log.syslog.msgid"
	AttributeStructured = "log.syslog.structured_data"
	// AttributeKernelTime is the stamp in µs that stood before a message of the kernel,
	// by the name that it has where those are read from /dev/kmsg.
	AttributeKernelTime = "kmsg.timestamp_us"
)

// facilities are those of RFC 5424, 6.2.1, by the keywords of syslog.conf(5).
var facilities = bytes.Fields([]byte("kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock " +
	"local0 local1 local2 local3 local4 local5 local6 local7"))

func (syslog) HasTimes() bool { return true }

func (syslog) Parse(line []byte, when *Times, _ *Scratch, to *Entry) bool {
	to.reset()
	rest := priority(line, to)
	var ok bool
	if len(rest) < len(line) && bytes.HasPrefix(rest, []byte("1 ")) {
		ok = syslog5424(rest[2:], when, to)
	} else {
		ok = syslog3164(rest, when, to)
	}
	if !ok {
		to.reset()
		to.Body = line
	}
	return ok
}

// priority reads <PRI>.
func priority(line []byte, to *Entry) (rest []byte) {
	end := bytes.IndexByte(line[:min(len(line), 5)], '>')
	if end < 2 || line[0] != '<' || line[1] == ' ' {
		return line
	}
	n, ok := digits(line[1:end])
	if !ok || n > 191 {
		return line
	}
	to.Severity = syslogSeverities[n&7]
	to.text(AttributeFacility, facilities[n>>3])
	to.text(AttributeSeverity, syslogWords[n&7])
	return line[end+1:]
}

var months = []byte("JanFebMarAprMayJunJulAugSepOctNovDec")

// month reads Jan to Dec.
func month(text []byte) int {
	if at := bytes.Index(months, text); at >= 0 && at%3 == 0 {
		return at/3 + 1
	}
	return 0
}

// syslog3164 reads TIMESTAMP HOST TAG[PID]: text. See RFC 3164, 4.1.
func syslog3164(text []byte, when *Times, to *Entry) bool {
	rest, ok := stamp3164(text, when, to)
	if !ok || len(rest) == 0 || rest[0] != ' ' {
		return false
	}
	header := rest[1:]
	host := bytes.IndexByte(header, ' ')
	if host <= 0 {
		return false
	}
	rest = header[host+1:]
	tag := bytes.IndexByte(rest[:min(len(rest), maxTag+1)], ':')
	if tag <= 0 || bytes.IndexByte(rest[:tag], ' ') >= 0 { // without a tag all is text
		to.Body = rest
		to.later(header[:host], (*Entry).syslogHeader)
		return true
	}
	to.Body = rest[tag+1:]
	if len(to.Body) > 0 && to.Body[0] == ' ' {
		to.Body = to.Body[1:]
	}
	stamp := 0
	if string(rest[:tag]) == kernelTag {
		stamp = kernelStamp(to.Body)
	}
	to.Body = to.Body[stamp:]
	to.later(header[:len(header)-len(to.Body)], (*Entry).syslogHeader)
	return true
}

// maxTag is how long what stands before a colon is at most, to be taken for a tag.
const maxTag = 128

// syslogHeader reads HOST TAG[PID]: and what stands before the kernel's messages.
func (e *Entry) syslogHeader(header []byte) {
	host, rest, _ := bytes.Cut(header, []byte{' '})
	e.text(AttributeHost, host)
	tag, stamp, ok := bytes.Cut(rest, []byte{':'})
	if !ok {
		return
	}
	e.tag(tag)
	if string(tag) == kernelTag {
		e.kernel(bytes.TrimPrefix(stamp, []byte{' '}))
	}
}

// kernelTag is that of the kernel's messages. Files mostly do not tell their facility.
const kernelTag = "kernel"

// kernel notes what is known of a message of the kernel: its stamp, if it had one, and
// its facility.
func (e *Entry) kernel(stamp []byte) {
	if !slices.ContainsFunc(e.Attributes, func(one Attribute) bool { return one.Key == AttributeFacility }) {
		e.text(AttributeFacility, facilities[0])
	}
	whole, fraction, ok := bytes.Cut(stamp, []byte{'.'})
	if !ok {
		return
	}
	seconds, ok := digits(whole[1:])
	micros, okMicros := digits(fraction[:6])
	if ok && okMicros {
		e.number(AttributeKernelTime, int64(seconds)*1e6+int64(micros))
	}
}

// kernelStamp is the length of what the kernel writes before a message where it is set
// to (printk.time), and syslog daemons leave there: "[  123.456789] ", with
// CONFIG_PRINTK_CALLER "[  123.456789][    T1] ". See print_prefix in the kernel's
// printk.c.
func kernelStamp(text []byte) (length int) {
	end := bytes.IndexByte(text, ']')
	if end < len("[0.000000") || end > len("[0123456789.000000") || text[0] != '[' || text[end-7] != '.' {
		return 0
	}
	_, ok := digits(text[1 : end-7])
	if _, okMicros := digits(text[end-6 : end]); !ok || !okMicros || text[end-6] == ' ' {
		return 0
	}
	length = end + 1
	if caller := bytes.IndexByte(text[length:], ']'); caller > 1 && caller <= len("[01234567") && text[length] == '[' {
		length += caller + 1
	}
	if length >= len(text) || text[length] != ' ' {
		return 0
	}
	return length + 1
}

// tag reads program[pid].
func (e *Entry) tag(tag []byte) {
	name, pid, ok := bytes.Cut(tag, []byte{'['})
	e.text(AttributeApp, name)
	if pid, closed := bytes.CutSuffix(pid, []byte{']'}); ok && closed && len(pid) < 18 {
		if n, ok := digits(pid); ok {
			e.number(AttributeProcess, int64(n))
		}
	}
}

// stamp3164 reads Jan _2 15:04:05, or a time of RFC 3339.
func stamp3164(text []byte, when *Times, to *Entry) (rest []byte, ok bool) {
	if at, length, ok := when.rfc3339(text); ok {
		to.Time = at
		return text[length:], true
	}
	const date = len("Jan _2 ")
	if len(text) < date || text[3] != ' ' || text[6] != ' ' {
		return nil, false
	}
	at, length, ok := when.stamp(text, date, syslogDate)
	to.Time = at
	if !ok {
		return nil, false
	}
	return text[length:], true
}

// syslogDate reads Jan _2.
func syslogDate(c *civil, text []byte) (ok bool) {
	c.month = month(text[:3])
	c.day, ok = digits(text[4:6])
	return ok
}

// syslog5424 reads what follows <PRI>1: TIMESTAMP HOST APP PROCID MSGID SD MSG. See
// RFC 5424, 6.
func syslog5424(text []byte, when *Times, to *Entry) bool {
	var header [5][]byte
	for i := range header {
		var ok bool
		header[i], text, ok = bytes.Cut(text, []byte{' '})
		if !ok {
			return false
		}
		if string(header[i]) == "-" {
			header[i] = nil
		}
	}
	if header[0] != nil {
		at, length, ok := when.rfc3339(header[0])
		if !ok || length != len(header[0]) {
			return false
		}
		to.Time = at
	}
	to.text(AttributeHost, header[1])
	to.text(AttributeApp, header[2])
	if n, ok := digits(header[3]); ok && len(header[3]) < 18 {
		to.number(AttributeProcess, int64(n))
	}
	to.text(AttributeMessageID, header[4])
	length, ok := structured(text)
	if !ok {
		return false
	}
	if text[0] != '-' {
		to.text(AttributeStructured, text[:length])
	}
	to.Body = bytes.TrimPrefix(bytes.TrimPrefix(text[length:], []byte{' '}), []byte("\xef\xbb\xbf"))
	if string(header[2]) == kernelTag {
		stamp := kernelStamp(to.Body)
		to.kernel(to.Body[:stamp])
		to.Body = to.Body[stamp:]
	}
	return true
}

// structured tells how long the structured data is: - or [id name="value" …]….
func structured(text []byte) (length int, ok bool) {
	if len(text) > 0 && text[0] == '-' {
		return 1, len(text) == 1 || text[1] == ' '
	}
	for length < len(text) && text[length] == '[' {
		quoted := false
		at := length + 1
		for ; at < len(text) && (quoted || text[at] != ']'); at++ {
			switch {
			case quoted && text[at] == '\\':
				at++
			case text[at] == '"':
				quoted = !quoted
			}
		}
		if at >= len(text) {
			return 0, false
		}
		length = at + 1
	}
	return length, length > 0 && (length == len(text) || text[length] == ' ')
}
