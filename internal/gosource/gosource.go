// Package gosource reads the comments of this module's types from their source,
// for tests and for what is generated: the binary has no use for it.
package gosource

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

var modulePattern = regexp.MustCompile(`(?m)^module\s+(\S+)`)

// Module is the source of a module. It is not safe for concurrent use.
type Module struct {
	// Root is the folder of go.mod.
	Root string
	// Path is the module's path, which its packages' paths begin with.
	Path string

	packages map[string]map[string]string // folder → Type or Type.Field → comment
}

// Find returns the module that a folder stands in.
func Find(folder string) (*Module, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find the module of %s: %w", folder, err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(folder, "go.mod")) //nolint:gosec // a folder above the working directory
		if match := modulePattern.FindSubmatch(text); err == nil && match != nil {
			return &Module{Root: folder, Path: string(match[1]), packages: map[string]map[string]string{}}, nil
		}
		if filepath.Dir(folder) == folder {
			return nil, errors.New("there is no go.mod in any folder above")
		}
		folder = filepath.Dir(folder)
	}
}

// Has tells whether a type is declared in the module.
func (m *Module) Has(typ reflect.Type) bool {
	return typ.PkgPath() == m.Path || strings.HasPrefix(typ.PkgPath(), m.Path+"/")
}

// TypeComment returns the comment of a type; empty: it has none.
func (m *Module) TypeComment(typ reflect.Type) (string, error) { return m.comment(typ, "") }

// FieldComment returns the comment above or beside a field of a struct type;
// empty: it has none.
func (m *Module) FieldComment(typ reflect.Type, field string) (string, error) {
	return m.comment(typ, "."+field)
}

func (m *Module) comment(typ reflect.Type, suffix string) (string, error) {
	if !m.Has(typ) {
		return "", fmt.Errorf("the type %s is not of the module %s", typ, m.Path)
	}
	folder := strings.TrimSuffix(strings.TrimPrefix(typ.PkgPath(), m.Path), "_test")
	if m.packages[folder] == nil {
		comments, err := read(filepath.Join(m.Root, filepath.FromSlash(folder)))
		if err != nil {
			return "", err
		}
		m.packages[folder] = comments
	}
	name, _, _ := strings.Cut(typ.Name(), "[")
	return m.packages[folder][name+suffix], nil
}

// read returns the comments of the types in the Go files of a folder.
func read(folder string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("there is no Go source in %s", folder)
	}
	found := map[string]string{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse the source: %w", err)
		}
		for _, declaration := range tree.Decls {
			if general, ok := declaration.(*ast.GenDecl); ok {
				note(general, found)
			}
		}
	}
	return found, nil
}

func note(declaration *ast.GenDecl, found map[string]string) {
	for _, one := range declaration.Specs {
		spec, ok := one.(*ast.TypeSpec)
		if !ok {
			continue
		}
		name := spec.Name.Name
		found[name] = text(spec.Doc, spec.Comment)
		if found[name] == "" && len(declaration.Specs) == 1 {
			found[name] = text(declaration.Doc)
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range structure.Fields.List {
			for _, fieldName := range field.Names {
				found[name+"."+fieldName.Name] = text(field.Doc, field.Comment)
			}
		}
	}
}

// text returns the first of the comments that says something.
func text(groups ...*ast.CommentGroup) string {
	for _, group := range groups {
		if text := strings.TrimSpace(group.Text()); text != "" {
			return text
		}
	}
	return ""
}
