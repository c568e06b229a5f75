package describe

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/internal/gosource"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// builder makes keys of types.
type builder struct {
	source *gosource.Module
	layout config.Layout
	errs   []error
}

// File describes a whole configuration file. It is an error if a field has no
// comment, or is of a type of which nothing is known.
func File(source *gosource.Module, layout config.Layout) (*Key, error) {
	return Struct(source, layout, layout.File)
}

// Struct describes what is decoded into a struct, which from points to; its values
// are the defaults.
func Struct(source *gosource.Module, layout config.Layout, from any) (*Key, error) {
	b := builder{source: source, layout: layout}
	value := reflect.ValueOf(from)
	for value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	made := b.key("", "", value.Type(), value)
	made.Meaning = b.typeMeaning(value.Type())
	return made, errors.Join(b.errs...)
}

func (b *builder) failf(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf(format, args...))
}

// key describes a type. value holds the default; it is not valid where there is
// none.
func (b *builder) key(path, name string, typ reflect.Type, value reflect.Value) *Key {
	made := &Key{Name: name, typ: typ, def: value}
	switch {
	case b.special(path, made):
	case typ.Kind() == reflect.Pointer:
		return b.key(path, name, typ.Elem(), reflect.Value{})
	case typ == reflect.TypeFor[time.Duration]():
		made.kind = kindDuration
	case typ.Kind() == reflect.Struct:
		made.kind = kindStruct
		b.fields(path, made, typ, value)
	case typ.Kind() == reflect.Map:
		made.kind, made.names = kindMap, b.layout.Names[path]
		made.Items = b.items(path, "*", typ.Elem())
	case typ.Kind() == reflect.Slice:
		made.kind = kindList
		made.Items = b.items(path, "[]", typ.Elem())
	default:
		b.scalar(path, made)
	}
	return made
}

// items describes what a list or mapping holds: it has no defaults but zeros.
func (b *builder) items(path, name string, typ reflect.Type) *Key {
	return b.key(path+name, name, typ, reflect.New(typ).Elem())
}

// special describes the types that decode themselves, and tells whether it is one.
func (b *builder) special(path string, made *Key) bool {
	pointer := reflect.New(made.typ)
	entry, isMap := entryOf(made.typ)
	_, decodes := reflect.TypeAssert[strictyaml.Unmarshaler](pointer)
	_, reads := reflect.TypeAssert[encoding.TextUnmarshaler](pointer)
	switch {
	case isMap && entry == reflect.TypeFor[strictyaml.Value]():
		made.kind = kindSection
		b.section(path, made)
	case isMap:
		made.kind, made.names = kindMap, b.layout.Names[path]
		made.Items = b.items(path, "*", entry)
	case decodes:
		b.failf("%s: nothing is known of the type %s, which decodes itself", path, made.typ)
	case reads:
		made.kind = kindWord
		b.words(made, pointer)
		if made.pattern == "" && made.words == nil {
			b.failf("%s: nothing is known of the type %s, which reads itself: give it the method Words or Pattern", path, made.typ)
		}
	default:
		return false
	}
	return true
}

// entryOf returns what a strictyaml.Map holds.
func entryOf(typ reflect.Type) (reflect.Type, bool) {
	if typ.Kind() != reflect.Slice || typ.PkgPath() != reflect.TypeFor[strictyaml.Value]().PkgPath() {
		return nil, false
	}
	field, ok := typ.Elem().FieldByName("Value")
	return field.Type, ok
}

func (b *builder) words(made *Key, pointer reflect.Value) {
	if own, ok := reflect.TypeAssert[worded](pointer); ok {
		made.words = own.Words()
	}
	if own, ok := reflect.TypeAssert[patterned](pointer); ok {
		made.pattern = own.Pattern()
	}
	var words []string
	for _, word := range made.words {
		if word == "" {
			made.empty = true
		} else {
			words = append(words, word)
		}
	}
	made.words = words
}

func (b *builder) scalar(path string, made *Key) {
	switch typ := made.typ; {
	case typ.Kind() == reflect.String:
		made.kind = kindText
		if b.words(made, reflect.New(typ)); made.words != nil {
			made.kind = kindWord
		}
	case typ.Kind() == reflect.Bool:
		made.kind = kindSwitch
	case reflect.Zero(typ).CanInt(), reflect.Zero(typ).CanUint():
		made.kind = kindInteger
	case reflect.Zero(typ).CanFloat():
		made.kind = kindNumber
	default:
		b.failf("%s: nothing is known of the type %s", path, typ)
	}
}

// section describes the components that can stand in a section.
func (b *builder) section(path string, made *Key) {
	types, ok := b.layout.Components[path]
	if !ok {
		b.failf("%s: it is not known which components stand here", path)
	}
	made.components = map[string]*Key{}
	for name, makeDefault := range types {
		value := reflect.ValueOf(makeDefault()).Elem()
		component := b.key(path+"."+name, name, value.Type(), value)
		component.Meaning = b.typeMeaning(value.Type())
		made.components[name] = component
	}
}

// fields describes the keys of a struct, those of structs inlined in it included.
func (b *builder) fields(path string, made *Key, typ reflect.Type, value reflect.Value) {
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		inner := reflect.Value{}
		if value.IsValid() {
			inner = value.FieldByIndex(field.Index)
		}
		switch {
		case !field.IsExported() || name == "-":
		case options == "inline":
			b.fields(path, made, field.Type, inner)
		case name == "":
			b.failf("%s: the field %s.%s has no yaml tag", path, typ, field.Name)
		default:
			at := strings.TrimPrefix(path+"."+name, ".")
			key := b.key(at, name, field.Type, inner)
			key.Meaning = b.fieldMeaning(at, typ, field.Name)
			made.Keys = append(made.Keys, key)
		}
	}
}

func (b *builder) fieldMeaning(path string, typ reflect.Type, field string) string {
	comment, err := b.source.FieldComment(typ, field)
	if err != nil || comment == "" {
		b.failf("%s: the field %s.%s has no comment: %w", path, typ, field, cmp.Or(err, errors.New("write one")))
	}
	return meaning(field, comment)
}

func (b *builder) typeMeaning(typ reflect.Type) string {
	if typ.Name() == "" || !b.source.Has(typ) {
		return ""
	}
	comment, err := b.source.TypeComment(typ)
	if err != nil {
		b.failf("%w", err)
	}
	return meaning(typ.Name(), comment)
}
