package statetest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/state"
)

// FreezeVariable is the environment's word (1) to write what a new schema has not
// frozen yet. What is frozen it leaves as it is.
const FreezeVariable = "OTELNPD_FREEZE"

// RequireForm requires that what a component keeps has the form that the schema of
// today was frozen with, in testdata/kept-schema-N.txt: the keys of all types that
// are given, and what is below them. Users have files of that form.
func RequireForm(t *testing.T, kept ...any) {
	t.Helper()
	path := filepath.Join("testdata", fmt.Sprintf("kept-schema-%d.txt", state.Schema))
	form := Form(kept...)
	frozen := Frozen(t, path, func() []byte { return []byte(form) })
	require.Equal(t, string(frozen), form, "the form of what is kept has changed, and files of schema %d have the one before: "+
		"raise state.Schema, add the migration, and freeze the new form with %s=1 (pipeline/state/README.md)", state.Schema, FreezeVariable)
}

// Frozen returns a file that is never changed. With [FreezeVariable] it is made where
// it is not there yet.
func Frozen(t testing.TB, path string, create func() []byte) []byte {
	t.Helper()
	frozen, err := os.ReadFile(path) //nolint:gosec // the caller's own file
	if os.IsNotExist(err) && os.Getenv(FreezeVariable) == "1" {
		frozen = create()
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, frozen, 0o600))
		return frozen
	}
	require.NoError(t, err, "nothing is frozen of this schema yet: %s=1 writes it", FreezeVariable)
	return frozen
}

// Form tells how encoding/json reads types: a line for each value, with its path
// and what it is, in the order of paths.
func Form(values ...any) string {
	lines := map[string]bool{}
	for _, value := range values {
		of := reflect.TypeOf(value)
		former{lines: lines}.describe(of.Name(), of)
	}
	sorted := make([]string, 0, len(lines))
	for line := range lines {
		sorted = append(sorted, line)
	}
	slices.Sort(sorted)
	return strings.Join(sorted, "\n") + "\n"
}

type former struct {
	lines  map[string]bool
	within []reflect.Type
}

func (f former) describe(path string, of reflect.Type) {
	switch {
	case of.Kind() == reflect.Pointer:
		f.describe(path, of.Elem())
	case slices.Contains(f.within, of) || isWhole(of):
		f.lines[path+" "+of.String()] = true
	case of.Kind() == reflect.Struct:
		f.within = append(slices.Clone(f.within), of)
		f.fields(path, of)
	case of.Kind() == reflect.Slice, of.Kind() == reflect.Array:
		f.describe(path+"[]", of.Elem())
	case of.Kind() == reflect.Map:
		f.describe(path+"{"+of.Key().Kind().String()+"}", of.Elem())
	default:
		f.lines[path+" "+of.Kind().String()] = true
	}
}

// fields describes the fields that are read, and those of embedded structs as
// its own.
func (f former) fields(path string, of reflect.Type) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case field.Anonymous && name == "":
			f.fields(path, field.Type)
		case field.IsExported() && name == "":
			f.describe(path+"."+field.Name, field.Type)
		case field.IsExported():
			f.describe(path+"."+name, field.Type)
		}
	}
}

// isWhole tells whether a type is described by its name: what has a text of its own,
// and what is read in a way that no tags tell.
func isWhole(of reflect.Type) bool {
	pointer := reflect.PointerTo(of)
	return pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || pointer.Implements(reflect.TypeFor[json.Unmarshaler]())
}
