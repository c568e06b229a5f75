package format

import (
	"fmt"
	"regexp"
	"time"
)

// Pattern reads lines by regular expressions, as node-problem-detector does: of each
// its last group counts, or all of the match where there is none.
type Pattern struct {
	timestamp *expression // finds the time; nil: lines have none
	message   *expression // finds the text; nil: the whole line is it

	layout  string
	hasYear bool
	hasZone bool
}

// NewPattern returns a parser. Without an expression for it lines have no time, or are
// all text. The layout is one of Go's package time.
func NewPattern(timestamp, message *regexp.Regexp, layout string) (*Pattern, error) {
	p := &Pattern{timestamp: newExpression(timestamp), message: newExpression(message), layout: layout}
	if timestamp == nil {
		return p, nil
	}
	// Both are Mondays: their layouts differ by the year alone.
	at, year := time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC), time.Date(2017, 1, 2, 15, 4, 5, 0, time.UTC)
	elsewhere := time.Date(2006, 1, 2, 15, 4, 5, 0, time.FixedZone("ABC", 7*60*60))
	later := time.Date(2006, 11, 22, 23, 34, 56, 0, time.UTC)
	if at.Format(layout) == later.Format(layout) {
		return nil, fmt.Errorf("%q is no layout of a time: write how Mon Jan 2 15:04:05 2006 would look", layout)
	}
	p.hasYear = at.Format(layout) != year.Format(layout)
	p.hasZone = at.Format(layout) != elsewhere.Format(layout)
	return p, nil
}

// HasTimes tells whether there is an expression for them.
func (p *Pattern) HasTimes() bool { return p.timestamp != nil }

// Parse reads a line.
func (p *Pattern) Parse(line []byte, when *Times, _ *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	if p.timestamp != nil {
		text, ok := p.timestamp.find(line)
		if !ok || !p.time(text, when, to) {
			return false
		}
	}
	if p.message == nil {
		return true
	}
	text, ok := p.message.find(line)
	if ok {
		to.Body = text
	}
	return ok
}

func lastGroup(expression *regexp.Regexp, line []byte) ([]byte, bool) {
	found := expression.FindSubmatchIndex(line)
	if found == nil {
		return nil, false
	}
	from, to := found[len(found)-2], found[len(found)-1]
	if from < 0 { // a group that took no part
		return nil, true
	}
	return line[from:to], true
}

func (p *Pattern) time(text []byte, when *Times, to *Entry) bool {
	if p.layout == time.Stamp && isStamp(text) {
		if at, length, ok := when.stamp(text, len("Jan _2 "), syslogDate); ok && length == len(text) {
			to.Time = at
			return true
		}
	}
	at, err := time.ParseInLocation(p.layout, string(text), when.Zone)
	if err != nil {
		return false
	}
	if p.hasZone && p.hasYear {
		to.Time = at
		return true
	}
	c := civil{
		year: at.Year(), month: int(at.Month()), day: at.Day(),
		hour: at.Hour(), minute: at.Minute(), second: at.Second(), nanosecond: at.Nanosecond(),
	}
	if !p.hasYear {
		c.year = 0
	}
	if p.hasZone {
		when = &Times{Zone: at.Location(), Now: when.Now, Last: when.Last}
	}
	var ok bool
	to.Time, ok = when.of(c)
	return ok
}

// isStamp tells whether a text looks exactly as Jan _2 15:04:05.
func isStamp(text []byte) bool {
	const shape = "Aaa _9 29:59:59" // digits are the greatest ones
	if len(text) != len(shape) {
		return false
	}
	for i, c := range text {
		switch like := shape[i]; like {
		case 'A', 'a', '_': // month and day are read with care
		case ' ', ':':
			if c != like {
				return false
			}
		default:
			if c < '0' || c > like {
				return false
			}
		}
	}
	return true
}
