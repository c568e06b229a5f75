package format

import (
	"bytes"
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
)

// facilities are those of RFC 5424, 6.2.1, by the keywords of syslog.conf(5).
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

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
	to.text(AttributeFacility, []byte(facilities[n>>3]))
	to.text(AttributeSeverity, []byte(syslogWords[n&7]))
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
	host, rest, ok := bytes.Cut(rest[1:], []byte{' '})
	if !ok || len(host) == 0 {
		return false
	}
	to.text(AttributeHost, host)
	to.Body = rest
	tag, body, ok := bytes.Cut(rest, []byte{':'})
	if !ok || len(tag) == 0 || len(tag) > 128 || bytes.IndexByte(tag, ' ') >= 0 {
		return true // without a tag all is text
	}
	to.Body = bytes.TrimPrefix(body, []byte{' '})
	to.tag(tag)
	return true
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
	if len(text) < date+8 || text[3] != ' ' || text[6] != ' ' {
		return nil, false
	}
	c := civil{month: month(text[:3])}
	c.day, ok = digits(text[4:6])
	length, okClock := c.clock(text[date:])
	if !ok || !okClock {
		return nil, false
	}
	to.Time, ok = when.of(c)
	return text[date+length:], ok
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
