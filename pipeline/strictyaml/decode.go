package strictyaml

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// Unmarshaler is a type that decodes itself. An error of type [Errors] is taken
// as it is, any other is placed at the value's key.
type Unmarshaler interface {
	UnmarshalValue(value Value) error
}

// decoder decodes values by reflection and gathers what is wrong.
type decoder struct {
	document *Document
	errs     Errors
}

func (d *decoder) fail(v Value, message string) {
	if len(d.errs) < maxGathered {
		d.errs = append(d.errs, d.document.at(v.position, v.path, message))
	}
}

// decode sets target, which is settable, from a value.
func (d *decoder) decode(v Value, target reflect.Value) {
	node := resolve(v.node)
	if d.document.broken[node] {
		return
	}
	if target.CanAddr() && d.itself(v, target.Addr().Interface()) {
		return
	}
	if isNull(node) {
		return
	}
	switch target.Kind() {
	case reflect.Pointer:
		d.pointer(v, target)
	case reflect.Struct:
		d.structure(v, target)
	case reflect.Map:
		d.mapping(v, target)
	case reflect.Slice:
		d.list(v, target)
	default:
		d.scalar(v, target)
	}
}

// itself lets a type decode itself, if it can.
func (d *decoder) itself(v Value, target any) bool {
	var err error
	switch target := target.(type) {
	case Unmarshaler:
		err = target.UnmarshalValue(v)
	case encoding.TextUnmarshaler:
		if node := resolve(v.node); !isNull(node) {
			err = d.setText(node, target)
		}
	default:
		return false
	}
	if errs, ok := errors.AsType[Errors](err); ok {
		d.errs = append(d.errs, errs...)
	} else if err != nil {
		d.fail(v, printable(d.document.withoutValue(resolve(v.node), err.Error())))
	}
	return true
}

// withoutValue returns what a type says of a value, with the reference in place of what
// comes from the environment.
func (d *Document) withoutValue(node *yaml.Node, message string) string {
	if d.references[node] == "" {
		return message
	}
	return strings.ReplaceAll(message, strconv.Quote(node.Value), d.show(node))
}

// pointer decodes into what a pointer leads to. Where it led nowhere, it leads to
// a new value if that is without fault.
func (d *decoder) pointer(v Value, target reflect.Value) {
	if !target.IsNil() {
		d.decode(v, target.Elem())
		return
	}
	made, known := reflect.New(target.Type().Elem()), len(d.errs)
	if d.decode(v, made.Elem()); len(d.errs) == known {
		target.Set(made)
	}
}

// structure sets the fields that a mapping names.
func (d *decoder) structure(v Value, target reflect.Value) {
	node := resolve(v.node)
	if node.Kind != yaml.MappingNode {
		d.fail(v, d.document.wrongType("a mapping of keys", node).Error())
		return
	}
	known := d.document.fieldsOf(target.Type())
	for _, pair := range pairs(node) {
		inner := v.key(pair.key, pair.value)
		if index, ok := known.index[pair.key.Value]; ok {
			d.decode(inner, target.FieldByIndex(index))
		} else {
			d.fail(inner, "is unknown: "+suggestKey(pair.key.Value, known.names))
		}
	}
}

func suggestKey(written string, known []string) string {
	if len(known) == 0 {
		return "no key belongs here"
	}
	return Suggest(written, known)
}

// mapping sets the keys of a map; others stay. Each value begins with what the
// map holds under its key.
func (d *decoder) mapping(v Value, target reflect.Value) {
	node := resolve(v.node)
	if node.Kind != yaml.MappingNode {
		d.fail(v, d.document.wrongType("a mapping of keys", node).Error())
		return
	}
	if target.Type().Key().Kind() != reflect.String {
		d.fail(v, "cannot be configured: it is of type "+target.Type().String())
		return
	}
	if target.IsNil() {
		target.Set(reflect.MakeMap(target.Type()))
	}
	for _, pair := range pairs(node) {
		key := reflect.ValueOf(pair.key.Value).Convert(target.Type().Key())
		value := reflect.New(target.Type().Elem()).Elem()
		if old := target.MapIndex(key); old.IsValid() {
			value.Set(old)
		}
		d.element(v.key(pair.key, pair.value), value)
		target.SetMapIndex(key, value)
	}
}

// list replaces a list.
func (d *decoder) list(v Value, target reflect.Value) {
	v.node = resolve(v.node)
	if v.node.Kind != yaml.SequenceNode {
		want := "a list"
		if v.node.Kind == yaml.ScalarNode && len(v.node.Value) < 40 && d.document.references[v.node] == "" {
			want = "a list like [" + printable(v.node.Value) + "]"
		}
		d.fail(v, d.document.wrongType(want, v.node).Error())
		return
	}
	items := reflect.MakeSlice(target.Type(), len(v.node.Content), len(v.node.Content))
	for i := range v.node.Content {
		d.element(v.item(i), items.Index(i))
	}
	target.Set(items)
}

// element decodes an item of a list or map. Here no default stands behind null,
// so that a scalar must be given.
func (d *decoder) element(v Value, target reflect.Value) {
	_, reads := reflect.TypeAssert[Unmarshaler](target.Addr())
	kind := target.Kind()
	if node := resolve(v.node); isNull(node) && !reads && kind != reflect.Struct && kind != reflect.Map {
		d.fail(v, "is empty: write a value or leave it out")
		return
	}
	d.decode(v, target)
}

func isNull(node *yaml.Node) bool {
	return node == nil || node.Kind == yaml.ScalarNode && classify(node) == scalarNull
}
