package npd

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

type node = yaml.Node

// entry is a key of a YAML mapping. Without value it is left out.
type entry struct {
	key     string
	value   *node
	comment string
}

// block makes a mapping of a line a key.
func block(entries ...entry) *node {
	mapping := &node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, one := range entries {
		if one.value == nil {
			continue
		}
		key := &node{Kind: yaml.ScalarNode, Tag: "!!str", Value: one.key}
		if one.comment != "" {
			key.HeadComment = "# " + one.comment
		}
		mapping.Content = append(mapping.Content, key, one.value)
	}
	return mapping
}

// flow makes a mapping on one line: {a: 1}.
func flow(entries ...entry) *node {
	mapping := block(entries...)
	mapping.Style = yaml.FlowStyle
	return mapping
}

// list makes a list of an item a line, and of none [].
func list(items ...*node) *node {
	sequence := &node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: items}
	if len(items) == 0 {
		sequence.Style = yaml.FlowStyle
	}
	return sequence
}

// words makes a list on one line: [a, b].
func words(items ...string) *node {
	sequence := &node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for _, item := range items {
		sequence.Content = append(sequence.Content, text(item))
	}
	return sequence
}

// text makes text, with quotes where YAML needs them. The references that the
// configuration would expand stay as they are.
func text(value string) *node {
	return &node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ReplaceAll(strings.ToValidUTF8(value, "\ufffd"), "${env:", "$${env:")}
}

// optional makes text; none where it is empty.
func optional(value string) *node {
	if value == "" {
		return nil
	}
	return text(value)
}

// pattern makes text in single quotes, as patterns are written.
func pattern(value string) *node {
	one := text(value)
	one.Style = yaml.SingleQuotedStyle
	return one
}

// plain makes a number, a time or a word that needs no quotes.
func plain(value string) *node { return &node{Kind: yaml.ScalarNode, Value: value} }

func boolean(value bool) *node { return plain(strconv.FormatBool(value)) }

// only makes a switch that is there where it is not the default.
func only(value, initial bool) *node {
	if value == initial {
		return nil
	}
	return boolean(value)
}

// shown returns text for a comment: on one line, of printable characters.
func shown(value string) string {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(value)
	}
	return value
}
