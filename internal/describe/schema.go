package describe

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// draft is the dialect of JSON Schema that is written.
const draft = "https://json-schema.org/draft/2020-12/schema"

// Schema returns the JSON Schema of files that a key describes, with further
// shapes of files among its $defs.
//
// It takes every file whose shape the decoder takes: a value may be null, text may
// be any scalar, and a reference to the environment may stand for any scalar. A
// file that it takes can still be wrong in what its values mean together.
func Schema(title string, file *Key, further map[string]*Key) ([]byte, error) {
	s := schemas{defs: map[string]*jsonschema.Schema{}, types: map[string]reflect.Type{}}
	root := s.of(file)
	root.Schema, root.Title, root.Types, root.Type = draft, title, nil, "object"
	for name, key := range further {
		s.define(name, key)
	}
	if s.err != nil {
		return nil, s.err
	}
	root.Defs = s.defs
	if _, err := root.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true}); err != nil {
		return nil, fmt.Errorf("check the schema: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return out.Bytes(), nil
}

// schemas makes the schemas of keys.
type schemas struct {
	defs  map[string]*jsonschema.Schema
	types map[string]reflect.Type // of defs
	err   error
}

// of returns the schema of a key.
func (s *schemas) of(key *Key) *jsonschema.Schema {
	made := s.bare(key)
	made.Description = key.Meaning
	if written, ok := key.defaultText(); ok {
		made.Default = written
	}
	return made
}

func (s *schemas) bare(key *Key) *jsonschema.Schema {
	const reference = "^" + strictyaml.ReferencePattern + "$"
	switch key.kind {
	case kindStruct:
		return s.structure(key)
	case kindMap:
		return s.chosen(key)
	case kindSection:
		return s.section(key)
	case kindList:
		return &jsonschema.Schema{Types: []string{"array", "null"}, Items: s.item(key.Items)}
	case kindWord:
		return word(key)
	case kindSwitch:
		return &jsonschema.Schema{Types: []string{"boolean", "string", "null"}, Pattern: reference}
	case kindInteger:
		least, most := bounds(key.typ)
		return &jsonschema.Schema{Types: []string{"integer", "string", "null"}, Pattern: reference, Minimum: least, Maximum: most}
	case kindNumber:
		return &jsonschema.Schema{Types: []string{"number", "string", "null"}, Pattern: reference}
	case kindDuration:
		return &jsonschema.Schema{Types: []string{"string", "null"}, Pattern: "^" + strictyaml.DurationPattern + "$|" + strictyaml.ReferencePattern}
	default:
		return &jsonschema.Schema{Types: []string{"string", "number", "boolean", "null"}}
	}
}

func (s *schemas) structure(key *Key) *jsonschema.Schema {
	made := &jsonschema.Schema{
		Types: []string{"object", "null"}, Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: nothing(),
	}
	for _, one := range key.Keys {
		made.Properties[one.Name] = s.of(one)
		made.PropertyOrder = append(made.PropertyOrder, one.Name)
	}
	return made
}

// chosen is a mapping of names that people choose.
func (s *schemas) chosen(key *Key) *jsonschema.Schema {
	made := &jsonschema.Schema{Types: []string{"object", "null"}}
	if key.names == "" {
		made.AdditionalProperties = s.item(key.Items)
		return made
	}
	made.PatternProperties = map[string]*jsonschema.Schema{key.names: s.item(key.Items)}
	made.AdditionalProperties = nothing()
	return made
}

// section is a mapping of component ids. The type alone, as a property, is what an
// editor offers.
func (s *schemas) section(key *Key) *jsonschema.Schema {
	made := &jsonschema.Schema{
		Types: []string{"object", "null"}, Properties: map[string]*jsonschema.Schema{},
		PatternProperties: map[string]*jsonschema.Schema{}, AdditionalProperties: nothing(),
	}
	for name, component := range key.components {
		def := strings.TrimSuffix(key.Name, "s") + "_" + name
		s.define(def, component)
		made.Properties[name] = refer(def)
		made.PatternProperties[pipeline.IDPattern(name)] = refer(def)
	}
	return made
}

// item is what a list or a mapping of chosen names holds. A struct has a
// definition of its own; a scalar must be written, since no default stands behind it.
func (s *schemas) item(key *Key) *jsonschema.Schema {
	if key.kind == kindStruct {
		def := snake(key.typ.Name())
		key.Meaning = ""
		s.define(def, key)
		return refer(def)
	}
	made := s.bare(key)
	made.Types = slices.DeleteFunc(made.Types, func(name string) bool { return name == "null" })
	for _, one := range made.AnyOf {
		one.Enum = slices.DeleteFunc(one.Enum, func(value any) bool { return value == nil })
	}
	return made
}

func (s *schemas) define(name string, key *Key) {
	if known, taken := s.types[name]; taken {
		if known != key.typ {
			s.err = fmt.Errorf("the types %s and %s would both be $defs/%s of the schema: rename one", known, key.typ, name)
		}
		return
	}
	s.types[name] = key.typ
	s.defs[name] = s.of(key)
}

// word takes words, what matches a pattern, and text with a reference in it.
func word(key *Key) *jsonschema.Schema {
	words := &jsonschema.Schema{}
	for _, one := range key.words {
		words.Enum = append(words.Enum, one)
	}
	if zero, err := regexp.MatchString(key.pattern, "0"); key.pattern != "" && zero && err == nil {
		words.Enum = append(words.Enum, 0) // a bare 0 is a number of YAML
	}
	words.Enum = append(words.Enum, nil)
	patterns := []string{strictyaml.ReferencePattern}
	if key.pattern != "" {
		patterns = append([]string{key.pattern}, patterns...)
	}
	if key.empty {
		patterns = append(patterns, "^$")
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{words, {Type: "string", Pattern: strings.Join(patterns, "|")}}}
}

// bounds are those of a type of whole numbers; those of 64 bits are left out, for
// JSON has no such numbers.
func bounds(typ reflect.Type) (least, most *float64) {
	bits := typ.Bits()
	if reflect.Zero(typ).CanUint() {
		least = new(0.0)
		if bits < 64 {
			most = new(math.Exp2(float64(bits)) - 1)
		}
		return least, most
	}
	if bits == 64 {
		return nil, nil
	}
	return new(-math.Exp2(float64(bits - 1))), new(math.Exp2(float64(bits-1)) - 1)
}

// defaultText returns a key's default as JSON, where it has one that says something.
func (k *Key) defaultText() (json.RawMessage, bool) {
	value := k.defaultValue()
	if value == nil {
		return nil, false
	}
	text, err := json.Marshal(value)
	return text, err == nil
}

func (k *Key) defaultValue() any {
	if !k.def.IsValid() {
		return nil
	}
	switch k.kind {
	case kindStruct, kindMap, kindSection:
		return nil
	case kindText, kindWord, kindList:
		if k.def.IsZero() && !k.readsText() {
			return nil
		}
	case kindDuration:
		return durationText(time.Duration(k.def.Int()))
	case kindSwitch, kindInteger, kindNumber:
	}
	return k.def.Interface()
}

func (k *Key) readsText() bool {
	_, ok := reflect.TypeAssert[encoding.TextMarshaler](k.def)
	return ok
}

// durationText writes a duration as people do: 5m, not 5m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func refer(def string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + def} }

// nothing takes no value.
func nothing() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

// snake turns a Go name into one of the schema: HealthyDeclaration into
// healthy_declaration.
func snake(name string) string {
	var out strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// Types returns the types of a section's components.
func (k *Key) Types() []string { return slices.Sorted(maps.Keys(k.components)) }
