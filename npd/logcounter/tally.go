package logcounter

import (
	"bytes"
	"regexp/syntax"

	"github.com/otelnpd/otelnpd/processors/rules/prefilter"
)

// tally counts the lines that it is given.
type tally struct {
	counters []*counter
	filter   *prefilter.Filter
	window   window
	joins    bool // a pattern may look at several lines
	lines    int
	found    int
}

// counter is a pattern and what a match of it is worth.
type counter struct {
	*Pattern
	worth int
	until int // the last line that one of its literals may matter for
}

func newTally(o *Options) *tally {
	t := &tally{counters: []*counter{{Pattern: o.Pattern, worth: 1}}}
	if o.RevertPattern != nil {
		t.counters = append(t.counters, &counter{Pattern: o.RevertPattern, worth: -1})
	}
	var parsed []*syntax.Regexp
	for _, c := range t.counters {
		parsed = append(parsed, c.syntax)
		t.joins = t.joins || c.spans
	}
	t.filter = prefilter.New(parsed)
	return t
}

// add adds a line. As for log monitors, white space at its ends is none of it.
func (t *tally) add(line []byte) {
	line = bytes.TrimSpace(line)
	t.lines++
	t.window.push(line, t.joins)
	for _, candidate := range t.filter.Candidates(line) {
		c := t.counters[candidate]
		c.until = t.lines
		if c.spans {
			c.until += maxLines - 1
		}
	}
	for _, c := range t.counters {
		if c.until >= t.lines && c.re.Match(t.reach(c)) {
			t.found += c.worth
		}
	}
}

// reach is the text that a pattern is looked for in.
func (t *tally) reach(c *counter) []byte {
	if c.spans {
		return t.window.text
	}
	return t.window.newest()
}
