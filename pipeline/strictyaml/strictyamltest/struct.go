// Package strictyamltest checks the structs that configuration is decoded into.
package strictyamltest

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/otelnpd/otelnpd/internal/gosource"
)

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// CheckStruct fails the test for every exported field of the struct config, and
// of the structs of this module in it, that has no yaml tag, a key that is no
// lower_snake_case, or no comment in the source.
func CheckStruct(t testing.TB, config any) {
	t.Helper()
	source, err := gosource.Find(".")
	if err != nil {
		t.Fatal(err)
	}
	c := checker{t: t, source: source, seen: map[reflect.Type]bool{}}
	typ := elem(reflect.TypeOf(config))
	if typ.Kind() != reflect.Struct || !source.Has(typ) {
		t.Errorf("%s is no struct of this module", typ)
		return
	}
	c.check(typ)
}

type checker struct {
	t      testing.TB
	source *gosource.Module
	seen   map[reflect.Type]bool
}

// commented tells whether a field has a comment in its package's source.
func (c *checker) commented(typ reflect.Type, field string) bool {
	comment, err := c.source.FieldComment(typ, field)
	if err != nil {
		c.t.Fatal(err)
	}
	return comment != ""
}

func (c *checker) check(typ reflect.Type) {
	typ = elem(typ)
	if typ.Kind() != reflect.Struct || !c.source.Has(typ) || c.seen[typ] {
		return
	}
	c.seen[typ] = true
	if entry, ok := typ.FieldByName("Value"); ok && typ.PkgPath() == c.source.Path+"/pipeline/strictyaml" {
		c.check(entry.Type) // of a strictyaml.Map
		return
	}
	for field := range typ.Fields() {
		if !field.IsExported() {
			continue
		}
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "-" {
			continue
		}
		c.check(field.Type)
		if options == "inline" {
			continue
		}
		if !keyPattern.MatchString(key) {
			c.t.Errorf("%s.%s: the yaml key %q is no lower_snake_case", typ.Name(), field.Name, key)
		}
		if !c.commented(typ, field.Name) {
			c.t.Errorf("%s.%s has no comment", typ.Name(), field.Name)
		}
	}
}

// elem strips pointers, lists and maps.
func elem(typ reflect.Type) reflect.Type {
	for {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			typ = typ.Elem()
		default:
			return typ
		}
	}
}
