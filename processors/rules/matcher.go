package rules

import (
	"regexp/syntax"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/processors/rules/prefilter"
)

// matcher finds the rules that match a line. One goroutine at a time may use it.
type matcher struct {
	entries []entry // in file order, each rule's recovery after its pattern
	filter  *prefilter.Filter
	windows []*windows // none, or one for each treatment of white space in use

	candidates []int32
	found      []finding
}

// entry is one expression of a rule.
type entry struct {
	rule       *rule
	expression *expression
	windows    *windows // nil: one line
	spanning   int      // its number among the spanning ones; -1: one line suffices
}

// finding is a match.
type finding struct {
	rule       *rule
	expression *expression
	// text is what match points into, lines the lines it stands in.
	text  []byte
	match []int
	lines []byte
	// time is that of the first of these lines.
	time time.Time
}

func (f *finding) isRecovery() bool { return f.expression == f.rule.recovery }

func newMatcher(rules []*rule) *matcher {
	m := &matcher{}
	var parsed []*syntax.Regexp
	for _, rule := range rules {
		for _, expression := range []*expression{rule.pattern, rule.recovery} {
			if expression != nil {
				m.add(rule, expression)
				parsed = append(parsed, expression.parsed())
			}
		}
	}
	m.filter = prefilter.New(parsed)
	return m
}

func (m *matcher) add(rule *rule, expression *expression) {
	added := entry{rule: rule, expression: expression, spanning: -1}
	if rule.window != nil {
		added.windows = m.windowsFor(rule.window)
		if expression.spans && rule.window.Lines > 1 {
			added.spanning = len(added.windows.spanning)
			added.windows.spanning = append(added.windows.spanning,
				spanning{entry: int32(len(m.entries)), lines: rule.window.Lines}) //nolint:gosec // as many as there are rules
		}
	}
	m.entries = append(m.entries, added)
}

func (m *matcher) windowsFor(window *Window) *windows {
	at := slices.IndexFunc(m.windows, func(w *windows) bool { return w.keepSpace == window.KeepSpace })
	if at < 0 {
		at = len(m.windows)
		m.windows = append(m.windows, &windows{keepSpace: window.KeepSpace})
	}
	m.windows[at].size = max(m.windows[at].size, window.Lines)
	return m.windows[at]
}

// match returns what the rules find in a line, in file order, and how many lines
// of windows lost text. The findings are valid until the next call.
func (m *matcher) match(record *pipeline.Record) (found []finding, cut int) {
	candidates := m.filter.Candidates(record.Body)
	for _, w := range m.windows {
		r, lost := w.push(record)
		cut += lost
		candidates = m.withSpanning(w, r, candidates)
	}
	if len(candidates) == 0 {
		return nil, cut
	}
	m.found = m.found[:0]
	for _, candidate := range candidates {
		m.try(&m.entries[candidate], record)
	}
	return m.found, cut
}

// context puts a line into the windows that is looked at only together with later
// ones. It returns how many lines of windows lost text.
func (m *matcher) context(record *pipeline.Record) (cut int) {
	for _, w := range m.windows {
		if !w.has(record) {
			cut += m.contextOf(w, record)
		}
	}
	return cut
}

func (m *matcher) contextOf(w *windows, record *pipeline.Record) (cut int) {
	r, cut := w.push(record)
	if len(w.spanning) > 0 {
		m.note(w, r, m.filter.Candidates(record.Body))
	}
	return cut
}

// note notes of which spanning expressions the newest line holds a literal.
func (m *matcher) note(w *windows, r *sourceRing, candidates []int32) {
	for _, candidate := range candidates {
		if e := &m.entries[candidate]; e.windows == w && e.spanning >= 0 {
			w.note(r, e.spanning)
		}
	}
}

// withSpanning notes the literals of spanning expressions in the newest line and
// adds the expressions of which older lines hold one.
func (m *matcher) withSpanning(w *windows, r *sourceRing, candidates []int32) []int32 {
	if len(w.spanning) == 0 {
		return candidates
	}
	m.note(w, r, candidates)
	if r.count > r.until {
		return candidates
	}
	m.candidates = append(m.candidates[:0], candidates...)
	m.candidates = w.active(r, m.candidates)
	slices.Sort(m.candidates)
	return slices.Compact(m.candidates)
}

// try asks one expression. A line in which a rule sees both its problem and the
// recovery from it tells of a problem.
func (m *matcher) try(e *entry, record *pipeline.Record) {
	if e.expression == e.rule.recovery && len(m.found) > 0 && m.found[len(m.found)-1].rule == e.rule {
		return
	}
	if !allMatch(e.rule.where, record) {
		return
	}
	if e.windows == nil {
		if match := e.expression.re.FindSubmatchIndex(record.Body); match != nil {
			m.found = append(m.found, finding{rule: e.rule, expression: e.expression,
				text: record.Body, match: match, lines: record.Body, time: record.Time})
		}
		return
	}
	m.tryWindow(e, e.windows.last.ring)
}

func (m *matcher) tryWindow(e *entry, r *ring) {
	n := e.rule.window.Lines
	from := r.from(n)
	if e.spanning < 0 && n > 1 {
		// The match is within the newest line; the newline before it keeps ^
		// from taking its beginning for that of the window.
		from = r.from(1) - 1
	}
	text := r.text[from:]
	match := e.expression.re.FindSubmatchIndex(text)
	if match == nil {
		return
	}
	first := r.firstLine(from+match[0], n)
	m.found = append(m.found, finding{rule: e.rule, expression: e.expression,
		text: text, match: match, lines: r.text[r.start(first):], time: r.times[first%len(r.times)]})
}
