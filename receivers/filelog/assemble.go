package filelog

import (
	"regexp"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// maxJoined bounds what several lines are joined to.
const maxJoined = 64 << 10

// piece is a line, or what several were joined to.
type piece struct {
	text        []byte
	first, last int64 // where its first and its last line start
	// from is where to read from to find it again as it is, and all between: where
	// lines of several stand between one another, that is before its first.
	from int64
	// entry is that of a container's line, which is taken apart already; nil: it is not.
	entry     *format.Entry
	malformed bool // it has not that form
	cut       bool
	joined    bool // the text is of an assembler, and valid until it goes on
}

// stream is what a container wrote to.
func (p *piece) stream() format.Stream {
	if p.entry == nil {
		return format.NoStream
	}
	return p.entry.Stream
}

// joined is a piece that is not whole yet; its text is its own.
type joined struct {
	piece

	own  format.Entry
	open bool
}

func (j *joined) begin(p *piece) {
	text := append(j.text[:0], p.text...)
	j.piece, j.open = *p, true
	j.text, j.joined = text, true
	if p.entry != nil {
		j.own = *p.entry
		j.entry = &j.own
	}
}

// assembler joins the parts of a container's lines, and the lines of a record.
type assembler struct {
	parser  format.Parser
	wraps   bool           // the lines are a container's
	start   *regexp.Regexp // of records; nil: every line is one
	emit    func(*piece)   // takes what is whole; a piece is valid until it returns
	current piece
	entry   format.Entry // of a container's line
	parts   [format.Streams]joined
	records [format.Streams]joined
	count   int // that are open
}

// isIdle tells whether there is nothing to join.
func (a *assembler) isIdle() bool { return !a.wraps && a.start == nil }

// line makes a line a piece.
func (a *assembler) line(line *file.Line) *piece {
	a.current = piece{text: line.Text, first: line.Offset, last: line.Offset, from: line.Offset, cut: line.Cut}
	return &a.current
}

// take takes a line and emits what is whole by it.
func (a *assembler) take(line *file.Line, when *format.Times, scratch *format.Scratch) {
	p := a.line(line)
	if a.wraps {
		p.malformed = !a.parser.Parse(line.Text, when, scratch, &a.entry)
		p.text, p.entry = a.entry.Body, &a.entry
		if !p.malformed && !a.joinParts(p) {
			return
		}
	}
	a.whole(p)
}

// whole takes a line of which no part is missing.
func (a *assembler) whole(p *piece) {
	if a.start == nil {
		a.give(p)
		return
	}
	a.joinLines(p)
}

// joinParts tells whether a container's line is whole, and makes p it.
func (a *assembler) joinParts(p *piece) (whole bool) {
	j := &a.parts[p.stream()]
	switch {
	case !j.open && !p.entry.Partial:
		return true
	case !j.open:
		j.begin(p)
		a.count++
		return false
	}
	j.append(p, nil)
	if p.entry.Partial {
		return false
	}
	a.close(j)
	*p = j.piece
	p.entry.Partial = false
	return true
}

// append adds to the text, as far as it may grow.
func (j *joined) append(p *piece, separator []byte) {
	j.last, j.from = p.last, min(j.from, p.from)
	j.cut = j.cut || p.cut
	if room := maxJoined - len(j.text); len(p.text)+len(separator) > room {
		j.cut = true
		p.text = p.text[:max(0, min(room-len(separator), len(p.text)))]
	}
	j.text = append(append(j.text, separator...), p.text...)
}

// joinLines gives the record before, where a new one starts.
func (a *assembler) joinLines(p *piece) {
	j := &a.records[p.stream()]
	starts := a.start.Match(p.text)
	if j.open && !starts && len(j.text)+1+len(p.text) <= maxJoined {
		j.append(p, []byte{'\n'})
		return
	}
	if j.open {
		a.close(j)
		a.give(&j.piece)
	}
	j.begin(p)
	a.count++
}

func (a *assembler) close(j *joined) {
	j.open = false
	a.count--
}

// flush gives what is not whole: nothing more comes, or not soon.
func (a *assembler) flush() {
	for next := oldest(a.parts[:]); next != nil; next = oldest(a.parts[:]) {
		a.close(next)
		a.whole(&next.piece)
	}
	for next := oldest(a.records[:]); next != nil; next = oldest(a.records[:]) {
		a.close(next)
		a.give(&next.piece)
	}
}

// give emits a piece. What is open and began before its end is found again only if
// it is: it is read again with it.
func (a *assembler) give(p *piece) {
	if a.count > 0 {
		for _, list := range [][]joined{a.parts[:], a.records[:]} {
			for i := range list {
				if j := &list[i]; j.open && j.first <= p.last {
					j.from = min(j.from, p.from)
				}
			}
		}
	}
	a.emit(p)
}

// oldest is the open one whose last line comes first: places grow.
func oldest(of []joined) (found *joined) {
	for i := range of {
		if j := &of[i]; j.open && (found == nil || j.last < found.last) {
			found = j
		}
	}
	return found
}

// open tells whether something is not whole, and where to read from to find it again.
func (a *assembler) open() (from int64, open bool) {
	if a.count == 0 {
		return 0, false
	}
	for _, list := range [][]joined{a.parts[:], a.records[:]} {
		for i := range list {
			if list[i].open && (!open || list[i].from < from) {
				from, open = list[i].from, true
			}
		}
	}
	return from, open
}

// joinPause is how long a record that may go on is held back.
const joinPause = time.Second
