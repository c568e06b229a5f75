package strictyaml

import (
	"reflect"

	yaml "go.yaml.in/yaml/v4"
)

// Map is a mapping whose keys keep the order in which they stand in the file.
type Map[T any] []Entry[T]

// Entry is one key of a [Map].
type Entry[T any] struct {
	// Key as it is written.
	Key string
	// Value that stands under it.
	Value T
	// Path leads to the key from the document's root.
	Path string
}

// Keys returns the keys in order.
func (m Map[T]) Keys() []string {
	keys := make([]string, len(m))
	for i := range m {
		keys[i] = m[i].Key
	}
	return keys
}

// UnmarshalValue decodes a mapping, over nothing: what the map held is replaced.
func (m *Map[T]) UnmarshalValue(value Value) error {
	node := resolve(value.node)
	d := decoder{document: value.document}
	if isNull(node) {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		d.fail(value, value.document.wrongType("a mapping of keys", node).Error())
		return d.errs
	}
	list := pairs(node)
	entries := make(Map[T], len(list))
	for i, pair := range list {
		inner := value.key(pair.key, pair.value)
		entries[i].Key, entries[i].Path = pair.key.Value, inner.path
		d.element(inner, reflect.ValueOf(&entries[i].Value).Elem())
	}
	*m = entries
	return d.errs.orNil()
}
