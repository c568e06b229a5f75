package rules

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// maxMessageBytes is the longest message, and the longest template of one.
const maxMessageBytes = condition.MaxMessageBytes

// template is a text with {group} in it.
type template struct{ parts []part }

// part is literal text, or the name of a group.
type part struct {
	text  string
	group string
}

// bound is a template over the groups of one pattern.
type bound struct {
	parts  []part
	groups []int // by part: the group's index; -1 for text
}

// parseTemplate reads a template: {group} is a group's text, {{ a brace.
func parseTemplate(text string) (*template, error) {
	if len(text) > maxMessageBytes {
		return nil, fmt.Errorf("has %d bytes, at most %d are allowed", len(text), maxMessageBytes)
	}
	parsed := &template{}
	literal := strings.Builder{}
	for text != "" {
		before, after, found := strings.Cut(text, "{")
		literal.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "{") {
			literal.WriteByte('{')
			text = after[1:]
			continue
		}
		group, rest, closed := strings.Cut(after, "}")
		if !closed {
			return nil, errors.New("has a { without }: write {group}, or {{ for a brace")
		}
		parsed.add(literal.String(), group)
		literal.Reset()
		text = rest
	}
	parsed.add(literal.String(), "")
	return parsed, nil
}

func (t *template) add(text, group string) {
	if text != "" {
		t.parts = append(t.parts, part{text: text})
	}
	if group != "" {
		t.parts = append(t.parts, part{group: group})
	}
}

// groups returns the names of the groups in the template, each once.
func (t *template) groups() []string {
	var names []string
	for _, part := range t.parts {
		if part.group != "" && !slices.Contains(names, part.group) {
			names = append(names, part.group)
		}
	}
	return names
}

// bind ties the template to a pattern's groups and returns those it lacks.
func (t *template) bind(re *regexp.Regexp) (b bound, missing []string) {
	b.parts = t.parts
	for _, part := range t.parts {
		index := -1
		if part.group != "" {
			index = re.SubexpIndex(part.group)
			if index < 0 {
				missing = append(missing, part.group)
			}
		}
		b.groups = append(b.groups, index)
	}
	return b, missing
}

// render appends the template's text. match holds the groups' places in text, as
// package regexp gives them; a group that took no part is empty.
func (b bound) render(to, text []byte, match []int) []byte {
	for i, part := range b.parts {
		index := b.groups[i]
		switch {
		case index < 0:
			to = append(to, part.text...)
		case match[2*index] >= 0:
			to = append(to, text[match[2*index]:match[2*index+1]]...)
		}
	}
	return to
}

// inverse is the template turned round: it finds the groups in a text that the
// template made. A group's text must be what the group itself can match.
type inverse struct{ greedy, lazy *regexp.Regexp }

// inverse turns the template over the groups of a pattern round.
func (t *template) inverse(parsed *syntax.Regexp) (inverse, error) {
	pattern := strings.Builder{}
	for i, part := range t.parts {
		if part.group == "" {
			pattern.WriteString(regexp.QuoteMeta(part.text))
			continue
		}
		fmt.Fprintf(&pattern, `(?P<%s>%s)`, groupName(i), groupPattern(parsed, part.group))
	}
	greedy, err := regexp.Compile(`\A` + pattern.String() + `\z`)
	if err != nil {
		return inverse{}, err
	}
	lazy, err := regexp.Compile(`\A(?U:` + pattern.String() + `)\z`)
	return inverse{greedy: greedy, lazy: lazy}, err
}

// groupName names the group of the template's i-th part in its inverse.
func groupName(i int) string { return "part_" + strconv.Itoa(i) }

// groupPattern returns what a group matches, nothing included: the group may have
// taken no part. Where that depends on its surroundings, or on groups within it,
// any text will do.
func groupPattern(re *syntax.Regexp, name string) string {
	group := findGroup(re, name)
	if group == nil || !standsAlone(group.Sub[0]) {
		return `(?s:.*?)`
	}
	return group.Sub[0].String() + `|`
}

func findGroup(re *syntax.Regexp, name string) *syntax.Regexp {
	if re.Op == syntax.OpCapture && re.Name == name {
		return re
	}
	for _, sub := range re.Sub {
		if found := findGroup(sub, name); found != nil {
			return found
		}
	}
	return nil
}

// standsAlone tells whether a pattern can be used anywhere else.
func standsAlone(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCapture, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return false
	default:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !standsAlone(sub) })
	}
}
