// Package strictyamltest checks the structs that configuration is decoded into.
package strictyamltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// CheckStruct fails the test for every exported field of the struct config, and
// of the structs in it that are declared in the same package, that has no yaml
// tag, a key that is no lower_snake_case, or no comment. It reads the source
// of the package whose test calls it, so config's type must be of that package.
func CheckStruct(t testing.TB, config any) {
	t.Helper()
	_, caller, _, ok := runtime.Caller(1)
	if !ok {
		t.Fatal("the caller's source is unknown")
	}
	c := checker{t: t, comments: comments(t, filepath.Dir(caller)), seen: map[reflect.Type]bool{}}
	c.pkg = elem(reflect.TypeOf(config)).PkgPath()
	c.check(reflect.TypeOf(config))
}

type checker struct {
	t        testing.TB
	pkg      string
	comments map[string]bool
	seen     map[reflect.Type]bool
}

func (c *checker) check(typ reflect.Type) {
	typ = elem(typ)
	if typ.Kind() != reflect.Struct || typ.PkgPath() != c.pkg || c.seen[typ] {
		return
	}
	c.seen[typ] = true
	for field := range typ.Fields() {
		if !field.IsExported() {
			continue
		}
		name := typ.Name() + "." + field.Name
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key != "-" && options != "inline" && !keyPattern.MatchString(key) {
			c.t.Errorf("%s: the yaml key %q is no lower_snake_case", name, key)
		}
		if !c.comments[name] && options != "inline" {
			c.t.Errorf("%s has no comment", name)
		}
		c.check(field.Type)
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

// comments returns which fields, as Type.Field, have a comment in the Go files of
// a folder.
func comments(t testing.TB, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go source in %s: %v", folder, err)
	}
	found := map[string]bool{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if ok {
				commented(spec, found)
			}
			return !ok
		})
	}
	return found
}

// commented notes the fields of a struct type that have a comment above or
// beside them.
func commented(spec *ast.TypeSpec, found map[string]bool) {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range structure.Fields.List {
		for _, name := range field.Names {
			if field.Doc.Text() != "" || field.Comment.Text() != "" {
				found[spec.Name.Name+"."+name.Name] = true
			}
		}
	}
}
