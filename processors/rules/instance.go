package rules

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// noInstance stands for an instance whose groups took no part in the match: an
// empty one would mean the node as a whole, and a recovery of that ends all.
const noInstance = "(none)"

// renderInstance returns the instance that a match is about.
func (e *expression) renderInstance(text []byte, match []int) string {
	if len(e.instance.parts) == 0 {
		return ""
	}
	instance, _ := condition.CleanInstance(e.instance.render(nil, text, match))
	if instance == "" {
		return noInstance
	}
	return instance
}

// instanceOf returns a function that finds the instance in a message that the
// rule has made, nil if its messages do not tell it.
func (r *rule) instanceOf() func(string) (string, bool) {
	switch {
	case r.instance == nil || r.pattern == nil:
		return nil
	case r.message == nil:
		return r.instanceOfLine
	default:
		return r.instanceOfTemplate()
	}
}

// instanceOfLine reads the instance where the message is the line itself.
func (r *rule) instanceOfLine(message string) (string, bool) {
	if r.window != nil && r.window.Suffix != "" {
		message = strings.TrimSuffix(message, suffixSeparator+r.window.Suffix)
	}
	text := []byte(message)
	match := r.pattern.re.FindSubmatchIndex(text)
	if match == nil {
		return "", false
	}
	return r.pattern.renderInstance(text, match), true
}

// instanceOfTemplate turns the message's template round. Messages are cleaned and
// cut; one that has lost something by it tells nothing.
func (r *rule) instanceOfTemplate() func(string) (string, bool) {
	values := r.message.groups()
	for _, group := range r.instance.groups() {
		if !slices.Contains(values, group) {
			return nil
		}
	}
	inverse, err := r.message.inverse(r.pattern.parsed())
	if err != nil {
		return nil
	}
	return func(message string) (string, bool) {
		if r.window != nil && r.window.Suffix != "" {
			message = strings.TrimSuffix(message, suffixSeparator+r.window.Suffix)
		}
		values, ok := r.message.read(inverse.greedy, message)
		if !ok {
			return "", false
		}
		// Where two readings are possible, neither is taken.
		others, ok := r.message.read(inverse.lazy, message)
		return r.instance.fill(values), ok && maps.Equal(values, others)
	}
}

// read returns the groups' texts in a message that the template has made; ok is
// false if the template did not make it.
func (t *template) read(inverse *regexp.Regexp, message string) (values map[string]string, ok bool) {
	found := inverse.FindStringSubmatchIndex(message)
	if found == nil {
		return nil, false
	}
	values = map[string]string{}
	for i, part := range t.parts {
		if part.group == "" {
			continue
		}
		at := inverse.SubexpIndex(groupName(i))
		value := message[found[2*at]:found[2*at+1]]
		if old, twice := values[part.group]; twice && old != value {
			return nil, false
		}
		values[part.group] = value
	}
	return values, true
}

// fill renders the template as an instance.
func (t *template) fill(values map[string]string) string {
	var text []byte
	for _, part := range t.parts {
		text = append(text, part.text...)
		text = append(text, values[part.group]...)
	}
	if instance, _ := condition.CleanInstance(text); instance != "" {
		return instance
	}
	return noInstance
}
