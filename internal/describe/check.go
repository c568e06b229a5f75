package describe

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	yaml "go.yaml.in/yaml/v4"
)

// Checker holds YAML against a schema, as an editor does.
type Checker struct{ schema *jsonschema.Resolved }

// NewChecker reads a schema. def, if not empty, names the one of its $defs to hold
// files against.
func NewChecker(schema []byte, def string) (*Checker, error) {
	var root jsonschema.Schema
	if err := json.Unmarshal(schema, &root); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	if def != "" {
		root = jsonschema.Schema{Schema: root.Schema, Defs: root.Defs, Ref: "#/$defs/" + def}
	}
	resolved, err := root.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("resolve the schema: %w", err)
	}
	return &Checker{schema: resolved}, nil
}

// ErrSyntax is a document that has no value to hold against a schema.
var ErrSyntax = errors.New("is no YAML that has a value")

// Check tells what the schema finds wrong in a document; [ErrSyntax] where the
// document cannot be read at all.
func (c *Checker) Check(document []byte) error {
	var node yaml.Node
	if err := yaml.Unmarshal(document, &node); err != nil {
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	value, err := valueOf(&node, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return c.schema.Validate(value)
}

// maxDepth bounds the nesting of a document, and with it aliases in themselves.
const maxDepth = 100

// valueOf turns a node into a value of JSON, by the core schema of YAML 1.2:
// https://yaml.org/spec/1.2.2/#103-core-schema.
func valueOf(node *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("it is nested too deep")
	}
	switch node.Kind {
	case yaml.DocumentNode:
		return valueOf(node.Content[0], depth+1)
	case yaml.AliasNode:
		return valueOf(node.Alias, depth+1)
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			value, err := valueOf(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case yaml.MappingNode:
		return mappingOf(node, depth)
	default:
		return scalarOf(node), nil
	}
}

func mappingOf(node *yaml.Node, depth int) (any, error) {
	mapping := map[string]any{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i].Value
		value, err := valueOf(node.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if _, twice := mapping[key]; twice {
			return nil, fmt.Errorf("the key %q is there twice", key)
		}
		mapping[key] = value
	}
	return mapping, nil
}

func scalarOf(node *yaml.Node) any {
	const plain = ^(yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle)
	text := node.Value
	if node.Style&^plain != 0 {
		return text
	}
	switch strings.ToLower(text) {
	case "", "~", "null":
		return nil
	case "true", "false":
		return strings.EqualFold(text, "true")
	}
	if strings.Contains(text, "_") || strings.HasPrefix(text, "0b") {
		return text
	}
	if number, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 0, 64); err == nil {
		return float64(number)
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, "0123456789") {
		return number
	}
	return text
}
