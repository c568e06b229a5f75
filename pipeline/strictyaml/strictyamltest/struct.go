// Package strictyamltest checks the structs that configuration is decoded into.
package strictyamltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var (
	keyPattern    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	modulePattern = regexp.MustCompile(`(?m)^module\s+(\S+)`)
)

// CheckStruct fails the test for every exported field of the struct config, and
// of the structs of this module in it, that has no yaml tag, a key that is no
// lower_snake_case, or no comment in the source.
func CheckStruct(t testing.TB, config any) {
	t.Helper()
	c := checker{t: t, comments: map[string]map[string]bool{}, seen: map[reflect.Type]bool{}}
	c.root, c.module = module(t)
	typ := elem(reflect.TypeOf(config))
	if typ.Kind() != reflect.Struct || !c.ours(typ) {
		t.Errorf("%s is no struct of this module", typ)
		return
	}
	c.check(typ)
}

type checker struct {
	t        testing.TB
	root     string // folder of the module
	module   string // its path
	comments map[string]map[string]bool
	seen     map[reflect.Type]bool
}

func (c *checker) ours(typ reflect.Type) bool {
	return typ.PkgPath() == c.module || strings.HasPrefix(typ.PkgPath(), c.module+"/")
}

// commented tells whether a field has a comment in its package's source.
func (c *checker) commented(typ reflect.Type, field string) bool {
	pkg := typ.PkgPath()
	if c.comments[pkg] == nil {
		folder := strings.TrimSuffix(strings.TrimPrefix(pkg, c.module), "_test")
		c.comments[pkg] = comments(c.t, filepath.Join(c.root, filepath.FromSlash(folder)))
	}
	name, _, _ := strings.Cut(typ.Name(), "[")
	return c.comments[pkg][name+"."+field]
}

// module finds the folder and path of the module that the test runs in.
func module(t testing.TB) (root, path string) {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(folder, "go.mod")) //nolint:gosec // a folder above the test
		if match := modulePattern.FindSubmatch(text); err == nil && match != nil {
			return folder, string(match[1])
		}
		if filepath.Dir(folder) == folder {
			t.Fatal("there is no go.mod in any folder above the test")
		}
		folder = filepath.Dir(folder)
	}
}

func (c *checker) check(typ reflect.Type) {
	typ = elem(typ)
	if typ.Kind() != reflect.Struct || !c.ours(typ) || c.seen[typ] {
		return
	}
	c.seen[typ] = true
	if entry, ok := typ.FieldByName("Value"); ok && typ.PkgPath() == c.module+"/pipeline/strictyaml" {
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
