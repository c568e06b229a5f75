package pstore

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// dump is what was saved at one moment: the parts of a dump, or a file of another
// type.
type dump struct {
	parts []part // the oldest text, which has the greatest number, first
	// crash is when it was saved, and boot the one that it is of.
	crash time.Time
	boot  pipeline.BootTime // at the last stamp
	// known is how many of the first lines have been told before, by others.
	known int
}

// newest is the part that the kernel saved first: there is one of every dump.
func (d *dump) newest() *part { return &d.parts[len(d.parts)-1] }

func (d *dump) id() string     { return d.newest().id }
func (d *dump) reason() string { return d.newest().reason }
func (d *dump) kind() string   { return d.newest().kind }

// partsOf returns the parts of all files, each once wherever it was found: first in
// pstore itself, then in the archive, where the file of all parts together comes
// last, since its time is that of archiving.
func partsOf(files []file) []part {
	slices.SortStableFunc(files, func(x, y file) int {
		return cmp.Or(y.preference()-x.preference(), x.time.Compare(y.time), cmp.Compare(x.path, y.path))
	})
	var parts []part
	index := map[string]int{}
	for _, f := range files {
		for _, p := range f.parts() {
			at, known := index[p.id]
			if !known {
				at = len(parts)
				index[p.id] = at
				p.backend, p.kind, p.time = f.backend, f.kind, f.time
				parts = append(parts, p)
			}
			if f.live {
				f.content = nil
				parts[at].files = append(parts[at].files, f)
			}
		}
	}
	return parts
}

func (f *file) preference() int {
	switch {
	case f.live:
		return 2
	case f.backend != "":
		return 1
	default:
		return 0
	}
}

// parts returns what a file holds. Only dmesg files have heads.
func (f *file) parts() []part {
	if f.kind == typeDmesg {
		return splitParts(f.content)
	}
	p := part{reason: reasonReset, number: 1}
	if f.kind == typePmsg {
		p.reason = reasonUnknown
	} else if bytes.Contains(f.content, []byte(panicText)) {
		p.reason = reasonPanic
	}
	if !p.take(f.content) {
		return nil
	}
	return []part{p}
}

// spread is how far the times of the parts of one dump are apart at most: the
// backend writes one after the other.
const spread = time.Minute

// groupParts puts the parts of each dump together, the dumps by time. Another boot
// counts its dumps anew, so that the number alone tells nothing.
func groupParts(parts []part) []*dump {
	slices.SortStableFunc(parts, func(x, y part) int {
		return cmp.Or(x.time.Compare(y.time), cmp.Compare(x.count, y.count), cmp.Compare(x.number, y.number))
	})
	var dumps []*dump
	for _, p := range parts {
		at := slices.IndexFunc(dumps, func(d *dump) bool { return d.takes(&p) })
		if at < 0 {
			at = len(dumps)
			dumps = append(dumps, &dump{})
		}
		dumps[at].parts = append(dumps[at].parts, p)
	}
	for _, d := range dumps {
		slices.SortFunc(d.parts, func(x, y part) int { return cmp.Compare(y.number, x.number) })
		d.crash = d.newest().time
	}
	return dumps
}

func (d *dump) takes(p *part) bool {
	first := &d.parts[0]
	return p.kind == typeDmesg && first.kind == typeDmesg && p.count > 0 &&
		p.reason == first.reason && p.count == first.count && p.time.Sub(first.time) <= spread &&
		(p.backend == first.backend || p.backend == "" || first.backend == "") &&
		!slices.ContainsFunc(d.parts, func(other part) bool { return other.number == p.number })
}

// line is a line of a dump.
type line struct {
	source.Record
	raw      []byte // with its stamp
	position uint64
	cut      bool
}

// positionBits is what a position leaves for the number of a line in its part.
const positionBits = 20

// lines returns all lines of the dump that are not blank, the oldest first. Their
// positions depend on nothing but part and line. A line without a stamp has that of
// the one before.
func (d *dump) lines() []line {
	var lines []line
	var stamp time.Duration
	for _, p := range d.parts {
		position := uint64(maxNumber-p.number) << positionBits //nolint:gosec // a number is less than maxNumber
		for text := range bytes.Lines(p.body) {
			position++
			text = bytes.TrimRight(text, blanks)
			if len(text) == 0 {
				continue
			}
			l := line{raw: text, position: position, cut: len(text) > maxLine}
			text = text[:min(len(text), maxLine)]
			if p.kind == typePmsg {
				l.Text, l.Facility = text, facilityUser
				l.Absent = source.AbsentSequence | source.AbsentSeverity | source.AbsentMicroseconds
			} else {
				parseLine(&l.Record, text)
			}
			if hasStamp(&l.Record) {
				stamp = l.Boot
			}
			l.Boot = stamp
			lines = append(lines, l)
		}
	}
	return lines
}

// facilityUser is syslog's number of what processes write: /dev/pmsg0 is theirs.
const facilityUser = 1

// lastStamp is the stamp of the newest line that has one.
func lastStamp(lines []line) time.Duration {
	if len(lines) == 0 {
		return 0
	}
	return lines[len(lines)-1].Boot
}

// stamped returns a line as it stands in the kernel's log and on consoles, without
// the priority; empty: it has no stamp, and may stand in many logs.
func (l *line) stamped() string {
	if !hasStamp(&l.Record) {
		return ""
	}
	if at := bytes.IndexByte(l.raw, '['); at > 0 {
		return string(l.raw[at:])
	}
	return string(l.raw)
}
