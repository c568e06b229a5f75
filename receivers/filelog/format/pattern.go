package format

import (
	"fmt"
	"regexp"
	"time"
)

// Pattern reads lines by regular expressions, as node-problem-detector does: of each
// its last group counts, or all of the match where there is none.
type Pattern struct {
	// Timestamp finds the time; nil: lines have none.
	Timestamp *regexp.Regexp
	// Message finds the text; nil: the whole line is it.
	Message *regexp.Regexp

	layout  string
	hasYear bool
	hasZone bool
}

// NewPattern returns a parser. The layout is one of Go's package time.
func NewPattern(timestamp, message *regexp.Regexp, layout string) (*Pattern, error) {
	p := &Pattern{Timestamp: timestamp, Message: message, layout: layout}
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
func (p *Pattern) HasTimes() bool { return p.Timestamp != nil }

// Parse reads a line.
func (p *Pattern) Parse(line []byte, when *Times, _ *Scratch, to *Entry) bool {
	to.reset()
	to.Body = line
	if p.Timestamp != nil {
		text, ok := lastGroup(p.Timestamp, line)
		if !ok || !p.time(text, when, to) {
			return false
		}
	}
	if p.Message == nil {
		return true
	}
	text, ok := lastGroup(p.Message, line)
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
