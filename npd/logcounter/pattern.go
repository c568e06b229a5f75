package logcounter

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/otelnpd/otelnpd/processors/rules/prefilter"
)

// Pattern is a regular expression that must match up to the end of a line.
type Pattern struct {
	re     *regexp.Regexp
	syntax *syntax.Regexp
	spans  bool // a match can go over the end of a line
}

// compile compiles the pattern that a flag has.
func compile(flag, text string) (*Pattern, error) {
	// By itself first: brackets that do not match must not find their others in what
	// is put around it.
	if _, err := syntax.Parse(text, syntax.Perl); err != nil {
		return nil, fmt.Errorf("%s: %q is no regular expression (%w): write RE2 syntax", flag, text, err)
	}
	anchored := `(?:` + text + `)\z`
	parsed, err := syntax.Parse(anchored, syntax.Perl)
	if err != nil { // \Q without \E quotes the bracket too
		anchored = `(?:` + text + `\E)\z`
		parsed, err = syntax.Parse(anchored, syntax.Perl)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %q cannot be bound to the end of a line (%w): write it in another way", flag, text, err)
	}
	re, err := regexp.Compile(anchored)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is no regular expression (%w): write RE2 syntax", flag, text, err)
	}
	return &Pattern{re: re, syntax: parsed, spans: prefilter.CanMatchNewline(parsed)}, nil
}
