package hoststats

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Selection says by name what counts. In a name * and ? are as in the shell, a * for
// slashes too; behind a ~ comes a regular expression (RE2), which may match any part of
// a name.
type Selection struct {
	// Include are the names that count; none: all do. `*` and `?` are as in the shell; behind a
	// `~` comes a regular expression (RE2) for any part of the name.
	Include []string `yaml:"include"`
	// Exclude are names that do not count, written like those of `include`, before which
	// they go.
	Exclude []string `yaml:"exclude"`
}

func (s *Selection) validate() error {
	_, errInclude := compile(s.Include)
	_, errExclude := compile(s.Exclude)
	return errors.Join(pipeline.At("include", errInclude), pipeline.At("exclude", errExclude))
}

// selector is a selection that is ready to use.
type selector struct{ include, exclude []*regexp.Regexp }

// selector makes one of a selection that is valid.
func (s *Selection) selector() (made selector, err error) {
	var errExclude error
	made.include, err = compile(s.Include)
	made.exclude, errExclude = compile(s.Exclude)
	return made, errors.Join(err, errExclude)
}

// wants tells whether a name counts.
func (s *selector) wants(name string) bool {
	return (len(s.include) == 0 || anyMatches(s.include, name)) && !anyMatches(s.exclude, name)
}

func anyMatches(patterns []*regexp.Regexp, name string) bool {
	for _, pattern := range patterns {
		if pattern.MatchString(name) {
			return true
		}
	}
	return false
}

func compile(names []string) (patterns []*regexp.Regexp, err error) {
	var errs []error
	for i, name := range names {
		pattern, err := compileName(name)
		if err != nil {
			errs = append(errs, pipeline.At(fmt.Sprintf("[%d]", i), err))
			continue
		}
		patterns = append(patterns, pattern)
	}
	return patterns, errors.Join(errs...)
}

func compileName(name string) (*regexp.Regexp, error) {
	if name == "" || name == "~" {
		return nil, errors.New("is empty: write a name, for example eth*, or take it out")
	}
	expression, isExpression := strings.CutPrefix(name, "~")
	if !isExpression {
		// Each byte stands for itself but these two.
		quoted := regexp.QuoteMeta(name)
		quoted = strings.ReplaceAll(strings.ReplaceAll(quoted, `\*`, `.*`), `\?`, `.`)
		expression = `(?s)^` + quoted + `$`
	}
	pattern, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression: %w; write RE2, as on https://github.com/google/re2/wiki/Syntax", name, err)
	}
	return pattern, nil
}
