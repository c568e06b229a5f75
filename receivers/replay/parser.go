package replay

import (
	"time"

	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// parser turns lines into records. It knows what it needs of the lines before.
type parser struct {
	boot time.Time // the wall clock at stamp 0
	now  func() time.Time

	lastWall time.Time
	lastBoot time.Duration
}

// text reads a line of any form but that of /dev/kmsg.
func (p *parser) text(record *source.Record, line []byte) {
	record.Absent = source.AbsentSequence | source.AbsentSeverity | source.AbsentMicroseconds
	// What saves kernel logs without facility saves the kernel's own lines.
	record.Facility = 0
	var s stamp
	line = cutWords(cutPriority(line, record), record)
	line = p.prefix(record, line, &s)
	if s.hasBoot {
		record.Microseconds = s.boot.Microseconds()
		record.Absent &^= source.AbsentMicroseconds
	}
	p.settle(&s)
	record.Time, record.Boot, record.Text = p.lastWall, p.lastBoot, line
}

// prefix cuts stamps, host and program off.
func (p *parser) prefix(record *source.Record, line []byte, s *stamp) []byte {
	rest, isBoot := cutBrackets(line, p.now(), s)
	if isBoot {
		rest, _, _ = cutTag(rest, false) // journalctl -o short-monotonic
		return rest
	}
	rest, ok := cutISO(line, s)
	anyTag := false
	if !ok {
		rest, ok = cutSyslog(line, p.now(), s)
		anyTag = ok
	}
	if !ok {
		rest, ok = cutUnix(line, s)
		anyTag = ok
	}
	if !ok {
		return line
	}
	rest, tag, tagged := cutTag(rest, anyTag)
	if tagged && string(tag) != "kernel" {
		record.Absent |= source.AbsentFacility // another program's line
		return rest
	}
	rest, _ = cutBrackets(rest, p.now(), s)
	return rest
}

// settle finds out the time of the line on both clocks.
func (p *parser) settle(s *stamp) {
	switch {
	case s.hasBoot && !s.wall.IsZero(): // both: now the one can be told from the other
		p.boot = s.wall.Add(-s.boot)
		p.lastWall, p.lastBoot = s.wall, s.boot
	case s.hasBoot:
		p.lastWall, p.lastBoot = p.boot.Add(s.boot), s.boot
	case !s.wall.IsZero():
		if s.wall.Before(p.boot) { // saved before this boot, or elsewhere
			p.boot = s.wall
		}
		p.lastWall, p.lastBoot = s.wall, s.wall.Sub(p.boot)
	case s.delayed:
		p.lastWall, p.lastBoot = p.lastWall.Add(s.delta), p.lastBoot+s.delta
	case p.lastWall.IsZero():
		p.lastWall = p.boot
	}
}

// raw sets the times of a record of /dev/kmsg.
func (p *parser) raw(record *source.Record) {
	p.settle(&stamp{hasBoot: true, boot: time.Duration(record.Microseconds) * time.Microsecond})
	record.Time, record.Boot = p.lastWall, p.lastBoot
}
