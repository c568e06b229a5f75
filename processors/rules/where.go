package rules

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
)

// attributeTest asks for the value of one attribute.
type attributeTest struct {
	key     string
	value   string
	pattern *regexp.Regexp // instead of value, if set
}

// patternMark begins a value that is a pattern.
const patternMark = "~"

func newAttributeTests(where map[string]string) ([]attributeTest, error) {
	var tests []attributeTest
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(where)) {
		test := attributeTest{key: key, value: where[key]}
		if key == "" {
			errs = append(errs, pipeline.At("where", errors.New("an attribute without name: write for example log.facility: kern")))
		}
		if pattern, ok := strings.CutPrefix(test.value, patternMark); ok {
			re, err := regexp.Compile(pattern)
			if err != nil {
				errs = append(errs, pipeline.At("where."+key, patternError(pattern, err)))
			}
			test.pattern = re
		}
		tests = append(tests, test)
	}
	return tests, errors.Join(errs...)
}

// allMatch tells whether the record has every attribute as asked for.
func allMatch(tests []attributeTest, record *pipeline.Record) bool {
	for i := range tests {
		if !tests[i].matches(record) {
			return false
		}
	}
	return true
}

func (t *attributeTest) matches(record *pipeline.Record) bool {
	value, ok := record.Attribute(t.key)
	if !ok {
		return false
	}
	text := value.String()
	if t.pattern != nil {
		return t.pattern.MatchString(text)
	}
	return text == t.value
}

func patternError(pattern string, err error) error {
	return fmt.Errorf("%q is no regular expression in RE2 syntax: %w", pattern, err)
}
