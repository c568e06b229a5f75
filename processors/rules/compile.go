package rules

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// The bounds on rules.
const (
	maxWindowLines     = 1000
	maxOccurrences     = 1000
	maxThresholdWindow = 30 * 24 * time.Hour
	maxQuoted          = 200
)

var (
	idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/#-]{0,199}$`)
	// pidPattern finds groups that by their name hold the number of a process.
	pidPattern = regexp.MustCompile(`(?i)^(.*_)?(pid|ppid|tid|tgid)$`)
)

// compiler checks one rule, gathering all that is wrong.
type compiler struct {
	config *Rule
	rule   *rule
	errs   []error
}

// compile checks a rule and makes it ready for use. It returns the rule even
// where there are errors, for its id.
func compile(config *Rule, prefix, source string, set *ruleSet) (*rule, error) {
	c := compiler{config: config, rule: &rule{
		config: config,
		source: cmp.Or(config.Source, source, condition.DefaultSource),
		window: config.Window,
	}}
	c.id(prefix)
	c.words()
	c.threshold()
	c.windowSize()
	c.patterns()
	c.templates()
	c.clearing(set)
	c.tests()
	return c.rule, errors.Join(c.errs...)
}

func (c *compiler) fail(key string, err error) {
	if err != nil {
		c.errs = append(c.errs, pipeline.At(key, err))
	}
}

func (c *compiler) failf(key, format string, args ...any) {
	c.fail(key, fmt.Errorf(format, args...))
}

func (c *compiler) id(prefix string) {
	switch id := c.config.ID; {
	case id == "":
		c.failf("id", "is missing: write a word that names the rule, for example disk-failing")
	case !idPattern.MatchString(id):
		c.failf("id", "%q is no id: write letters, digits and any of . _ / # -, at most 200", quoted(id))
	default:
		c.rule.id = prefix + id
	}
}

// words checks the keys that are single words.
func (c *compiler) words() {
	c.fail("reason", condition.ValidateReason(c.config.Reason))
	c.fail("class", condition.ValidateClass(c.config.Class))
	c.fail("severity", c.config.Severity.Validate())
	c.rule.severity = c.config.Severity.Severity()
	c.fail("mode", pipeline.CheckWord(c.config.Mode))
	for i, former := range c.config.Formerly {
		c.fail(fmt.Sprintf("formerly[%d]", i), former.Validate())
	}
	var err error
	if c.rule.where, err = newAttributeTests(c.config.Where); err != nil {
		c.errs = append(c.errs, err)
	}
}

func (c *compiler) threshold() {
	t := c.config.Threshold
	switch {
	case t.MinOccurrences < 0 || t.MinOccurrences > maxOccurrences:
		c.failf("threshold.min_occurrences", "%d is out of range: write 1 to %d", t.MinOccurrences, maxOccurrences)
	case t.MinOccurrences > 1 && t.Window == 0:
		c.failf("threshold.window", "is missing: write the time within which %d matches must come, for example 5m", t.MinOccurrences)
	case t.MinOccurrences <= 1 && t.Window != 0:
		c.failf("threshold.min_occurrences", "is missing: write how many matches within %s it takes, at least 2", t.Window)
	}
	if t.Window < 0 || t.Window > maxThresholdWindow {
		c.failf("threshold.window", "%s is out of range: write at most %s", t.Window, maxThresholdWindow)
	}
}

func (c *compiler) windowSize() {
	if c.config.Window == nil {
		return
	}
	if n := c.config.Window.Lines; n < 1 || n > maxWindowLines {
		c.failf("window.lines", "%d is out of range: write 1 to %d", n, maxWindowLines)
		c.rule.window = &Window{Lines: 1}
	}
	if n := len(c.config.Window.Suffix); n > maxMessageBytes {
		c.failf("window.suffix", "has %d bytes, at most %d are allowed", n, maxMessageBytes)
	}
}

func (c *compiler) patterns() {
	c.rule.pattern = c.expression("pattern", c.config.Pattern)
	if c.config.Clear.By == condition.ClearByRecovery && c.config.Clear.Pattern != "" {
		c.rule.recovery = c.expression("clear.pattern", c.config.Clear.Pattern)
	}
}

// expression compiles a pattern; nil if it is wrong.
func (c *compiler) expression(key, pattern string) *expression {
	if pattern == "" {
		c.failf(key, "is missing: write a regular expression in RE2 syntax that the line matches")
		return nil
	}
	compiled, err := newExpression(pattern, c.rule.window)
	if err != nil {
		c.fail(key, patternError(quoted(pattern), err))
		return nil
	}
	if compiled.re.MatchString("") {
		c.failf(key, "%q matches the empty text, and so every line: write what the line must hold", quoted(pattern))
	}
	return compiled
}

func (c *compiler) templates() {
	c.rule.message = c.template("message", c.config.Message)
	c.rule.instance = c.template("instance", c.config.Instance)
	if pattern := c.rule.pattern; pattern != nil {
		c.bind("message", c.rule.message, pattern, &pattern.message)
		c.bind("instance", c.rule.instance, pattern, &pattern.instance)
		pattern.canTell = true
	}
	recovery := c.rule.recovery
	if recovery == nil {
		return
	}
	c.bind("clear.pattern", c.rule.instance, recovery, &recovery.instance)
	if c.rule.message != nil {
		var missing []string
		recovery.message, missing = c.rule.message.bind(recovery.re)
		recovery.canTell = len(missing) == 0
	}
}

func (c *compiler) template(key, text string) *template {
	if text == "" {
		return nil
	}
	parsed, err := parseTemplate(text)
	c.fail(key, err)
	return parsed
}

// bind reports the groups of a template that a pattern lacks.
func (c *compiler) bind(key string, t *template, e *expression, to *bound) {
	if t == nil {
		return
	}
	var missing []string
	*to, missing = t.bind(e.re)
	for _, group := range missing {
		if e == c.rule.recovery {
			c.failf(key, "has no group {%s}, which instance needs to know whose recovery it is: write (?P<%s>…) into it", quoted(group), quoted(group))
			continue
		}
		c.failf(key, "{%s} is no group of the pattern: write (?P<%s>…) into the pattern, or {{ for a brace%s", quoted(group), quoted(group), hasGroups(e.re))
	}
}

func hasGroups(re *regexp.Regexp) string {
	names := slices.DeleteFunc(re.SubexpNames(), func(name string) bool { return name == "" })
	if len(names) == 0 {
		return ""
	}
	return "; it has {" + strings.Join(names, "}, {") + "}"
}

// clearing checks what ends the problem. Process numbers come without end: as
// instances of what lasts until a reboot they would fill the node.
func (c *compiler) clearing(set *ruleSet) {
	c.fail("clear", c.config.Clear.Validate())
	if c.config.Condition == "" {
		if c.config.Clear.By != "" {
			c.failf("clear", "belongs to rules with a condition: an event has no end")
		}
		return
	}
	by := c.config.Clear.By
	if by == "" {
		by, _ = set.clearingOf(c.config.Condition)
	}
	if by != "" && by != condition.ClearByBoot && by != condition.ClearByLatched || c.rule.instance == nil {
		return
	}
	for _, group := range c.rule.instance.groups() {
		if pidPattern.MatchString(group) {
			c.failf("instance", "{%s} is the number of a process, and the rule clears by %s: choose another instance, or write clear: {by: ttl, ttl: 1h} into the rule",
				quoted(group), cmp.Or(by, condition.ClearByBoot))
		}
	}
}

// quoted cuts a user's value to what fits a message.
func quoted(value string) string {
	if len(value) <= maxQuoted {
		return value
	}
	return strings.ToValidUTF8(value[:maxQuoted], "") + "…"
}
