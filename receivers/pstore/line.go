package pstore

import (
	"bytes"
	"strconv"
	"time"

	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// maxLine is the length, in bytes, at which lines are cut.
const maxLine = 8192

// parseLine reads what the kernel writes before the text of a line, of which any
// may be missing: <PRIORITY>, [SECONDS.MICROSECONDS], [CALLER]
// (record_print_text in kernel/printk/printk.c). The record points into line.
func parseLine(record *source.Record, line []byte) {
	record.Absent = source.AbsentSequence | source.AbsentSeverity | source.AbsentMicroseconds
	line = cutPriority(record, line)
	if stamp, rest, ok := cutStamp(line); ok {
		record.Microseconds, record.Boot = stamp.Microseconds(), stamp
		record.Absent &^= source.AbsentMicroseconds
		line = bytes.TrimPrefix(cutCaller(rest), []byte{' '})
	}
	record.Text = bytes.TrimSpace(line)
}

// hasStamp tells whether the kernel's stamp stood before a line.
func hasStamp(record *source.Record) bool { return record.Absent&source.AbsentMicroseconds == 0 }

// cutPriority reads <6>. What stands in the kernel's log without one is the
// kernel's own.
func cutPriority(record *source.Record, line []byte) []byte {
	if len(line) < 3 || line[0] != '<' {
		return line
	}
	end := bytes.IndexByte(line[:min(len(line), 6)], '>')
	if end < 0 {
		return line
	}
	priority, ok := parseNumber(line[1:end])
	if !ok || priority >= 1<<11 {
		return line
	}
	record.Facility, record.Severity = priority>>3, priority&7
	record.Absent &^= source.AbsentSeverity
	return line[end+1:]
}

// cutStamp reads [   12.345678].
func cutStamp(line []byte) (stamp time.Duration, rest []byte, ok bool) {
	const most = 9 // digits: seconds of 31 years, and nanoseconds
	inner, rest, _ := cutBrackets(line)
	whole, fraction, _ := bytes.Cut(inner, []byte{'.'})
	if len(whole) > most || len(fraction) > most || !isNumber(string(whole)) || !isNumber(string(fraction)) {
		return 0, line, false
	}
	seconds, _ := strconv.Atoi(string(whole))
	below, _ := strconv.Atoi(string(fraction) + "000000000"[len(fraction):])
	return time.Duration(seconds)*time.Second + time.Duration(below), rest, true
}

// cutCaller cuts off the caller, [  T123] or [    C0], that kernels with
// CONFIG_PRINTK_CALLER write.
func cutCaller(line []byte) []byte {
	inner, rest, ok := cutBrackets(line)
	if !ok || len(inner) < 2 || inner[0] != 'T' && inner[0] != 'C' || !isNumber(string(inner[1:])) {
		return line
	}
	return rest
}

func cutBrackets(line []byte) (inner, rest []byte, ok bool) {
	const longest = 24
	if len(line) == 0 || line[0] != '[' {
		return nil, line, false
	}
	end := bytes.IndexByte(line[:min(len(line), longest)], ']')
	if end < 0 {
		return nil, line, false
	}
	return bytes.TrimLeft(line[1:end], " "), line[end+1:], true
}
