package strictyaml

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"
)

// scalarKind is what a scalar is in the YAML 1.2 core schema.
type scalarKind uint8

const (
	scalarText scalarKind = iota
	scalarNull
	scalarBool
	scalarInt
	scalarFloat
)

// The core schema: https://yaml.org/spec/1.2.2/#1032-tag-resolution.
var (
	intPattern   = regexp.MustCompile(`^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatPattern = regexp.MustCompile(`^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
)

// classify tells what a scalar node is: quoted or tagged text is text.
func classify(node *yaml.Node) scalarKind {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if node.Style&quoted != 0 || node.Style&yaml.TaggedStyle != 0 && node.ShortTag() == "!!str" {
		return scalarText
	}
	return classifyText(node.Value)
}

func classifyText(text string) scalarKind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return scalarNull
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return scalarBool
	}
	switch first := text[0]; {
	case first != '-' && first != '+' && first != '.' && (first < '0' || first > '9'):
		return scalarText
	case intPattern.MatchString(text):
		return scalarInt
	case floatPattern.MatchString(text):
		return scalarFloat
	}
	return scalarText
}

// coreTag returns the tag of plain text.
func coreTag(text string) string {
	return map[scalarKind]string{
		scalarText: "!!str", scalarNull: "!!null", scalarBool: "!!bool", scalarInt: "!!int", scalarFloat: "!!float",
	}[classifyText(text)]
}

// DurationPattern is the regular expression of what a field of type time.Duration
// takes, without anchors, for what describes the configuration: the text that
// [time.ParseDuration] takes, but for a bare 0.
const DurationPattern = `[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+`

var durationType = reflect.TypeFor[time.Duration]()

// scalar sets a target of a scalar type.
func (d *decoder) scalar(v Value, target reflect.Value) {
	node := resolve(v.node)
	var err error
	switch {
	case target.Type() == durationType:
		err = d.setDuration(node, target)
	case target.Kind() == reflect.String:
		err = d.setString(node, target)
	case target.Kind() == reflect.Bool:
		err = d.setBool(node, target)
	case target.CanInt(), target.CanUint():
		err = d.setInt(node, target)
	case target.CanFloat():
		err = d.setFloat(node, target)
	default:
		err = fmt.Errorf("cannot be configured: it is of type %s", target.Type())
	}
	if err != nil {
		d.fail(v, err.Error())
	}
}

// setText lets a type read itself from the scalar's text.
func (d *decoder) setText(node *yaml.Node, target encoding.TextUnmarshaler) error {
	if node.Kind != yaml.ScalarNode {
		return d.document.wrongType("text", node)
	}
	return target.UnmarshalText([]byte(node.Value))
}

func (d *decoder) setString(node *yaml.Node, target reflect.Value) error {
	if node.Kind != yaml.ScalarNode {
		return d.document.wrongType("text", node)
	}
	target.SetString(node.Value)
	return nil
}

func (d *decoder) setBool(node *yaml.Node, target reflect.Value) error {
	if node.Kind != yaml.ScalarNode || classify(node) != scalarBool {
		return d.document.wrongType("true or false", node)
	}
	target.SetBool(strings.EqualFold(node.Value, "true"))
	return nil
}

func (d *decoder) setDuration(node *yaml.Node, target reflect.Value) error {
	want := "a duration like 30s"
	if node.Kind != yaml.ScalarNode || classify(node) != scalarText {
		return d.document.wrongType(want, node)
	}
	duration, err := time.ParseDuration(node.Value)
	if err != nil || node.Value == "0" {
		return d.document.wrongType(want, node)
	}
	target.SetInt(int64(duration))
	return nil
}

func (d *decoder) setInt(node *yaml.Node, target reflect.Value) error {
	if node.Kind != yaml.ScalarNode || classify(node) != scalarInt {
		return d.document.wrongType("a whole number", node)
	}
	if digits := strings.TrimLeft(node.Value, "+-"); len(digits) > 1 && digits[0] == '0' && digits[1] != 'x' && digits[1] != 'o' {
		return fmt.Errorf("want a whole number without leading zeros, not %s: is it octal (0o…) or decimal?", d.document.show(node))
	}
	bits := target.Type().Bits()
	if target.CanInt() {
		number, err := strconv.ParseInt(node.Value, 0, bits)
		if err != nil {
			return fmt.Errorf("want a whole number from %d to %d, not %s", int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits), d.document.show(node))
		}
		target.SetInt(number)
		return nil
	}
	number, err := strconv.ParseUint(strings.TrimPrefix(node.Value, "+"), 0, bits)
	if err != nil {
		return fmt.Errorf("want a whole number from 0 to %d, not %s", uint64(math.MaxUint64)>>(64-bits), d.document.show(node))
	}
	target.SetUint(number)
	return nil
}

func (d *decoder) setFloat(node *yaml.Node, target reflect.Value) error {
	if kind := classify(node); node.Kind != yaml.ScalarNode || kind != scalarInt && kind != scalarFloat {
		return d.document.wrongType("a number", node)
	}
	number, err := strconv.ParseFloat(node.Value, target.Type().Bits())
	if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		return fmt.Errorf("want a finite decimal number, not %s", d.document.show(node))
	}
	target.SetFloat(number)
	return nil
}

func (d *Document) wrongType(want string, node *yaml.Node) error {
	return fmt.Errorf("want %s, not %s", want, d.show(node))
}

// show tells what stands in the file: of what comes from the environment, which may be a
// secret, the reference alone.
func (d *Document) show(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping of keys"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case d.references[node] != "":
		return "the value of " + quote(d.references[node])
	case classify(node) == scalarText:
		return quote(node.Value)
	case node.Value == "":
		return "null"
	}
	return printable(node.Value)
}

// quote returns text in quotes, cut where it is long.
func quote(text string) string {
	const limit = 60
	if len(text) > limit {
		return strconv.Quote(strings.ToValidUTF8(text[:limit], "")) + "…"
	}
	return strconv.Quote(text)
}
