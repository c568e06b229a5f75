package strictyaml

import (
	"fmt"
	"regexp"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

const (
	envOpen    = "${env:"
	envLiteral = "$" + envOpen
)

// ReferencePattern is the regular expression of a reference to the environment,
// without anchors, for what describes the configuration.
const ReferencePattern = `\$\{env:[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces the references to the environment in a scalar. The result is
// text, unless the scalar is one reference and nothing else, quoted or not: then
// it is what the variable's text would be if it stood there plainly, so that
// ports and switches can come from the environment; an empty variable leaves the
// default in place.
func (s *scanner) expand(node *yaml.Node, here place) {
	if s.lookup == nil || !strings.Contains(node.Value, envOpen) {
		return
	}
	value, whole, errs := s.expandText(node.Value)
	for _, err := range errs {
		s.document.broken[node] = true
		s.fail(here, err.Error())
	}
	s.document.references[node] = node.Value
	node.Value = value
	if whole {
		node.Style, node.Tag = 0, ""
	} else {
		node.Style, node.Tag = yaml.DoubleQuotedStyle, "!!str"
	}
}

// expandText returns text with its references replaced; whole tells that it was
// one reference and nothing else.
func (s *scanner) expandText(text string) (expanded string, whole bool, errs []error) {
	var out strings.Builder
	for rest := text; ; {
		start := strings.Index(rest, envOpen)
		if start < 0 {
			out.WriteString(rest)
			break
		}
		if start > 0 && rest[start-1] == '$' {
			out.WriteString(rest[:start-1] + envOpen)
			rest = rest[start+len(envOpen):]
			continue
		}
		out.WriteString(rest[:start])
		reference, after, closed := strings.Cut(rest[start+len(envOpen):], "}")
		if !closed {
			return "", false, append(errs, fmt.Errorf("%s has no closing brace: write ${env:NAME}, or %s for the text itself", quote(rest[start:]), envLiteral))
		}
		value, err := s.variable(reference)
		if err != nil {
			errs = append(errs, err)
		}
		out.WriteString(value)
		whole = start == 0 && after == "" && len(rest) == len(text)
		rest = after
	}
	return out.String(), whole, errs
}

// variable returns the value of NAME or NAME:-default.
func (s *scanner) variable(reference string) (string, error) {
	name, fallback, hasFallback := strings.Cut(reference, ":-")
	if !envName.MatchString(name) {
		return "", fmt.Errorf("%s is no name of an environment variable: write ${env:NAME} or ${env:NAME:-default}", quote(name))
	}
	value, ok := s.lookup(name)
	switch {
	case !ok && !hasFallback:
		return "", fmt.Errorf("the environment variable %s is not set: set it or write ${env:%s:-default}", name, name)
	case !ok, value == "" && hasFallback:
		value = fallback
	}
	if s.expanded += len(value); s.expanded > maxBytes {
		return "", fmt.Errorf("environment variables add more than %d bytes", maxBytes)
	}
	return value, nil
}
