package describe

import "reflect"

// kind is what can stand under a key.
type kind int

const (
	kindStruct   kind = iota // a mapping of the keys that there are
	kindMap                  // a mapping of names that people choose
	kindSection              // a mapping of component ids
	kindList                 // a list
	kindText                 // any scalar, as it is written
	kindWord                 // one of a few words, or what matches a pattern
	kindSwitch               // true or false
	kindInteger              // a whole number
	kindNumber               // a decimal number
	kindDuration             // a duration with its unit
)

// Key is one key of the configuration and all that stands under it.
type Key struct {
	// Name as it is written; of the items of a list: [].
	Name string
	// Meaning is for people: the comment of the struct's field.
	Meaning string
	// Keys are those of a mapping, in the order of the struct's fields. Items is
	// what a list, or a mapping of chosen names, holds.
	Keys  []*Key
	Items *Key

	kind kind
	typ  reflect.Type
	// def is what a file need not write; not valid: there is none to show.
	def reflect.Value
	// names are the regular expression of names that people choose, if bounded.
	names string
	// words and pattern are what a word may be.
	words   []string
	pattern string
	empty   bool // a word may be empty
	// components are those of a section, by type.
	components map[string]*Key
}

// Key returns the key that a path of names leads to, or nil. A list's items are
// [], whatever stands under a chosen name is *.
func (k *Key) Key(path ...string) *Key {
	if len(path) == 0 {
		return k
	}
	if (path[0] == "[]" || path[0] == "*") && k.Items != nil {
		return k.Items.Key(path[1:]...)
	}
	if component, ok := k.components[path[0]]; ok {
		return component.Key(path[1:]...)
	}
	for _, one := range k.Keys {
		if one.Name == path[0] {
			return one.Key(path[1:]...)
		}
	}
	return nil
}

// patterned is a type that reads itself from text: what it takes beside its words,
// as a regular expression.
type patterned interface{ Pattern() string }

// worded is a type of which some words are known.
type worded interface{ Words() []string }
