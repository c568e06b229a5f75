package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"regexp/syntax"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/processors/rules/prefilter"
)

// rule is a compiled rule.
type rule struct {
	id     string
	path   string // the key of the configuration that holds it
	config *Rule
	source string

	severity log.Severity
	pattern  *expression
	recovery *expression // nil: nothing recovers
	where    []attributeTest
	message  *template // nil: the line
	instance *template // nil: the node as a whole
	window   *Window   // nil: one line
}

// expression is a compiled pattern and what the search needs to know of it.
type expression struct {
	re *regexp.Regexp
	// spans tells whether a match can go over the end of a line.
	spans bool
	// message and instance are the rule's templates over this pattern's groups.
	// canTell is false where it lacks a group of the message.
	message, instance bound
	canTell           bool
}

// problem returns what is the same in all problems of the rule.
func (r *rule) problem() pipeline.Problem {
	return pipeline.Problem{
		Rule:      r.id,
		Class:     r.config.Class,
		Condition: r.config.Condition,
		Reason:    r.config.Reason,
		Severity:  r.severity,
		Source:    r.source,
		Count:     1,
		Observe:   r.config.Mode == condition.ModeObserve,
	}
}

// declared returns what the condition store needs to know of the rule.
func (r *rule) declared() condition.Rule {
	return condition.Rule{
		ID:           r.id,
		Definition:   r.config.definition(),
		Class:        r.config.Class,
		Condition:    r.config.Condition,
		Reason:       r.config.Reason,
		Source:       r.source,
		Severity:     r.severity,
		HasInstances: r.instance != nil,
		Clear:        r.config.Clear.Clear(),
		Threshold: condition.Threshold{
			MinOccurrences: r.config.Threshold.MinOccurrences,
			Window:         r.config.Threshold.Window,
		},
		Observe:       r.config.Mode == condition.ModeObserve,
		UpdateMessage: r.config.UpdateMessage,
		Unreported:    r.config.MetricsReporting != nil && !*r.config.MetricsReporting,
		InstanceOf:    r.instanceOf(),
		Formerly:      r.config.Formerly,
	}
}

// definition identifies the rule as it is written.
func (r *Rule) definition() string {
	text, err := json.Marshal(r)
	if err != nil { // there is nothing in a rule that JSON cannot write
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// newExpression compiles a pattern. In a window it must match up to the end of
// the newest line, whichever branch of it matches.
func newExpression(pattern string, window *Window) (*expression, error) {
	if window != nil {
		// By itself first: brackets that do not match must not find their others
		// in what is put around it.
		if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
			return nil, err
		}
		pattern = `(?:` + pattern + `)\z`
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return &expression{re: re, spans: prefilter.CanMatchNewline(parsed)}, nil
}

// parsed is the syntax of the expression. It is needed at the start alone, and not kept:
// that of all rules is a third of a megabyte.
func (e *expression) parsed() *syntax.Regexp {
	parsed, _ := syntax.Parse(e.re.String(), syntax.Perl) // it has been parsed before
	return parsed
}
