package strictyaml

import (
	"reflect"
	"strings"
)

// fields are the keys that a struct takes.
type fields struct {
	names []string
	index map[string][]int
}

// fieldsOf reads a struct's tags, those of inlined structs included.
func (d *Document) fieldsOf(structure reflect.Type) fields {
	if known, ok := d.fields[structure]; ok {
		return known
	}
	found := fields{index: map[string][]int{}}
	for field := range structure.Fields() {
		tag, tagged := field.Tag.Lookup("yaml")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case !tagged || name == "-" || !field.IsExported():
		case options == "inline" && field.Type.Kind() == reflect.Struct:
			inner := d.fieldsOf(field.Type)
			for _, name := range inner.names {
				found.add(name, append([]int{field.Index[0]}, inner.index[name]...))
			}
		case name != "":
			found.add(name, field.Index)
		}
	}
	d.fields[structure] = found
	return found
}

func (f *fields) add(name string, index []int) {
	f.names = append(f.names, name)
	f.index[name] = index
}
