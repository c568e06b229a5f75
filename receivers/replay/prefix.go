package replay

import (
	"bytes"
	"strconv"
	"time"

	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// stamp is what stands before a line's text.
type stamp struct {
	wall    time.Time     // zero: not there
	boot    time.Duration // if hasBoot
	hasBoot bool
	delta   time.Duration // since the line before, if hasDelta
	delayed bool          // hasDelta
}

// cutPriority reads <6>.
func cutPriority(line []byte, record *source.Record) []byte {
	if len(line) < 3 || line[0] != '<' {
		return line
	}
	end := bytes.IndexByte(line[:min(len(line), 6)], '>')
	if end < 0 {
		return line
	}
	priority, err := strconv.ParseUint(string(line[1:end]), 10, 11)
	if err != nil {
		return line
	}
	setPriority(record, int(priority>>3), int(priority&7))
	return line[end+1:]
}

func setPriority(record *source.Record, facility, severity int) {
	record.Facility, record.Severity = facility, severity
	record.Absent &^= source.AbsentFacility | source.AbsentSeverity
}

// cutWords reads what dmesg --decode writes: "kern  :info  : ".
func cutWords(line []byte, record *source.Record) []byte {
	const longest = 9 // authpriv and a space
	first, rest, ok := cutWithin(line, ':', longest)
	if !ok {
		return line
	}
	second, rest, ok := cutWithin(rest, ':', longest)
	if !ok {
		return line
	}
	facility, ok := source.ParseFacility(string(bytes.TrimRight(first, " ")))
	if !ok {
		return line
	}
	severity, ok := source.ParseSeverity(string(bytes.TrimRight(second, " ")))
	if !ok {
		return line
	}
	setPriority(record, facility, severity)
	return bytes.TrimPrefix(rest, []byte{' '})
}

func cutWithin(line []byte, separator byte, longest int) (before, after []byte, ok bool) {
	at := bytes.IndexByte(line[:min(len(line), longest+1)], separator)
	if at <= 0 {
		return nil, line, false
	}
	return line[:at], line[at+1:], true
}

// cutBrackets reads what dmesg and the console write: [   12.345678],
// [Mon Nov 23 20:59:27 2026], [Nov23 20:59], [  +0.000012], and with a caller
// behind it, [  T123].
func cutBrackets(line []byte, now time.Time, s *stamp) ([]byte, bool) {
	inner, rest, ok := brackets(line)
	if !ok || !s.readBrackets(inner, now) {
		return line, false
	}
	if inner, behind, ok := brackets(rest); ok && isCaller(inner) {
		rest = behind
	}
	return bytes.TrimPrefix(rest, []byte{' '}), true
}

func brackets(line []byte) (inner, rest []byte, ok bool) {
	const longest = 48
	if len(line) == 0 || line[0] != '[' {
		return nil, line, false
	}
	inner, rest, ok = cutWithin(line[1:], ']', longest)
	return bytes.TrimLeft(inner, " "), rest, ok
}

func (s *stamp) readBrackets(inner []byte, now time.Time) bool {
	number, _, _ := bytes.Cut(inner, []byte(" <")) // dmesg --show-delta
	if delta, ok := bytes.CutPrefix(number, []byte{'+'}); ok {
		s.delta, s.delayed = seconds(delta)
		return s.delayed
	}
	if boot, ok := seconds(number); ok {
		s.boot, s.hasBoot = boot, true
		return true
	}
	wall, err := time.ParseInLocation("Mon Jan _2 15:04:05 2006", string(inner), time.Local)
	if err != nil {
		var ok bool
		if wall, ok = withYear("Jan_2 15:04", string(inner), now); !ok {
			return false
		}
	}
	s.wall = wall
	return true
}

// withYear reads a local time without a year: it is the last year in which that
// is not in the future.
func withYear(layout, text string, now time.Time) (time.Time, bool) {
	for _, year := range []int{now.Year(), now.Year() - 1} {
		wall, err := time.ParseInLocation("2006 "+layout, strconv.Itoa(year)+" "+text, time.Local)
		if err == nil && !wall.After(now.AddDate(0, 0, 1)) {
			return wall, true
		}
	}
	return time.Time{}, false
}

// isCaller tells whether it names the thread or CPU that printed: T123, C0.
func isCaller(inner []byte) bool {
	if len(inner) < 2 || (inner[0] != 'T' && inner[0] != 'C') {
		return false
	}
	_, err := strconv.ParseUint(string(inner[1:]), 10, 32)
	return err == nil
}

// seconds reads 12.345678: at least one digit on either side of the point.
func seconds(text []byte) (time.Duration, bool) {
	whole, fraction, ok := bytes.Cut(text, []byte{'.'})
	if !ok || len(fraction) == 0 || len(fraction) > 9 {
		return 0, false
	}
	s, err := strconv.ParseUint(string(whole), 10, 33)
	if err != nil {
		return 0, false
	}
	ns, err := strconv.ParseUint(string(fraction), 10, 32)
	if err != nil {
		return 0, false
	}
	for range 9 - len(fraction) {
		ns *= 10
	}
	return time.Duration(s)*time.Second + time.Duration(ns), true
}

// isoLayouts are those of dmesg and journalctl, and of rsyslog's files. A comma
// reads like a point.
var isoLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05.999999999-0700"}

// cutISO reads 2026-11-23T20:59:27,895991+00:00.
func cutISO(line []byte, s *stamp) ([]byte, bool) {
	const longest = 40
	word, rest, ok := cutWithin(line, ' ', longest)
	if !ok || len(word) < 20 || word[4] != '-' || word[10] != 'T' {
		return line, false
	}
	for _, layout := range isoLayouts {
		if wall, err := time.Parse(layout, string(word)); err == nil {
			s.wall = wall
			return rest, true
		}
	}
	return line, false
}

// cutSyslog reads what syslog and journalctl write: "Nov 20 13:14:01 ", with or
// without a fraction.
func cutSyslog(line []byte, now time.Time, s *stamp) ([]byte, bool) {
	const length = len("Jan _2 15:04:05")
	if len(line) <= length || line[3] != ' ' || line[9] != ':' {
		return line, false
	}
	end := bytes.IndexByte(line[length:], ' ')
	if end < 0 || end > 10 {
		return line, false
	}
	wall, ok := withYear("Jan _2 15:04:05", string(line[:length+end]), now)
	if !ok {
		return line, false
	}
	s.wall = wall
	return line[length+end+1:], true
}

// cutUnix reads what journalctl -o short-unix writes: "1700000000.123456 ".
func cutUnix(line []byte, s *stamp) ([]byte, bool) {
	const least = 9 // digits: from 1973 on
	word, rest, ok := cutWithin(line, ' ', 24)
	if !ok || bytes.IndexByte(word, '.') < least {
		return line, false
	}
	since, ok := seconds(word)
	if !ok {
		return line, false
	}
	s.wall = time.Unix(0, int64(since))
	return rest, true
}

// cutTag reads "host kernel: " and, with anyTag, "host program[12]: ".
func cutTag(line []byte, anyTag bool) (rest, tag []byte, ok bool) {
	host, behind, found := cutWithin(line, ' ', 255)
	if !found || len(host) == 0 {
		return line, nil, false
	}
	tag, rest, found = bytes.Cut(behind[:min(len(behind), 128)], []byte(": "))
	if !found {
		if tag, found = bytes.CutSuffix(behind, []byte{':'}); !found {
			return line, nil, false
		}
	}
	if bytes.IndexByte(tag, ' ') >= 0 || (!anyTag && string(tag) != "kernel") {
		return line, nil, false
	}
	return behind[min(len(behind), len(tag)+len(": ")):], tag, rest != nil || len(tag)+1 == len(behind)
}
