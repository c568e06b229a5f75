package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// tests holds the rule to its own sample lines. They have no attributes: where
// has no part in it.
func (c *compiler) tests() {
	if c.rule.pattern == nil {
		return
	}
	bare := *c.rule
	bare.where = nil
	for i, sample := range c.config.Tests.Match {
		problem, recovery := bare.findIn(sample)
		key := fmt.Sprintf("tests.match[%d]", i)
		if !problem {
			c.failf(key, "the pattern %q does not match %q", quoted(c.config.Pattern), quoted(sample))
		} else if recovery {
			c.failf(key, "the recovery %q matches %q too: a line cannot tell of both", quoted(c.config.Clear.Pattern), quoted(sample))
		}
	}
	for i, sample := range c.config.Tests.NoMatch {
		if problem, _ := bare.findIn(sample); problem {
			c.failf(fmt.Sprintf("tests.no_match[%d]", i), "the pattern %q matches %q", quoted(c.config.Pattern), quoted(sample))
		}
	}
}

// findIn tells whether the rule's pattern and its recovery match a sample.
func (r *rule) findIn(sample string) (problem, recovery bool) {
	problem = r.finds(sample, r.pattern)
	return problem, r.recovery != nil && r.finds(sample, r.recovery)
}

// finds tells whether an expression matches a sample. In a window, a sample's
// lines come one by one.
func (r *rule) finds(sample string, expression *expression) bool {
	if r.window == nil {
		return expression.re.MatchString(sample)
	}
	alone := *r
	alone.pattern, alone.recovery = expression, nil
	m := newMatcher([]*rule{&alone})
	matched := false
	for i, line := range strings.Split(sample, "\n") {
		found, _ := m.match(&pipeline.Record{Body: []byte(line), Time: time.Unix(int64(i), 0)})
		matched = matched || len(found) > 0
	}
	return matched
}

// warnings returns what is odd in the rules, but allowed.
func (s *ruleSet) warnings() []error {
	m := newMatcher(s.rules)
	var warnings []error
	for _, always := range m.filter.Always() {
		e := &m.entries[always]
		key, pattern := "pattern", e.rule.config.Pattern
		if e.expression == e.rule.recovery {
			key, pattern = "clear.pattern", e.rule.config.Clear.Pattern
		}
		warnings = append(warnings, pipeline.At(e.rule.path, fmt.Errorf(
			"rule %s: every line is asked for its %s %q: it requires no text of 3 bytes or more that could be looked for first",
			e.rule.id, key, quoted(pattern))))
	}
	return warnings
}
