package gosource_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/internal/gosource"
)

// sample has a comment
// of two lines.
type sample struct {
	// Above is told first.
	Above, Both int // beside is not
	Beside      int // beside it
	Silent      int
}

type (
	// grouped stands in a group.
	grouped[T any] struct {
		// Value of a type with parameters.
		Value T
	}
	silent int
)

func TestComments(t *testing.T) {
	module, err := gosource.Find(".")
	require.NoError(t, err)
	require.Equal(t, "github.com/otelnpd/otelnpd", module.Path)
	for field, want := range map[string]string{
		"Above": "Above is told first.", "Both": "Above is told first.", "Beside": "beside it", "Silent": "", "None": "",
	} {
		got, err := module.FieldComment(reflect.TypeFor[sample](), field)
		require.NoError(t, err)
		require.Equal(t, want, got, field)
	}
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[sample]():          "sample has a comment\nof two lines.",
		reflect.TypeFor[grouped[int]]():    "grouped stands in a group.",
		reflect.TypeFor[silent]():          "",
		reflect.TypeFor[gosource.Module](): "Module is the source of a module. It is not safe for concurrent use.",
	} {
		got, err := module.TypeComment(typ)
		require.NoError(t, err)
		require.Equal(t, want, got, typ)
	}
	got, err := module.FieldComment(reflect.TypeFor[grouped[int]](), "Value")
	require.NoError(t, err)
	require.Equal(t, "Value of a type with parameters.", got)
}

func TestTypesOfOthers(t *testing.T) {
	module, err := gosource.Find(".")
	require.NoError(t, err)
	require.False(t, module.Has(reflect.TypeFor[time.Time]()))
	_, err = module.TypeComment(reflect.TypeFor[time.Time]())
	require.EqualError(t, err, "the type time.Time is not of the module github.com/otelnpd/otelnpd")
}

func TestSourceThatIsNotThereOrWrong(t *testing.T) {
	_, err := gosource.Find("/")
	require.EqualError(t, err, "there is no go.mod in any folder above")

	dir := t.TempDir()
	comment := func() error {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module github.com/otelnpd/otelnpd\n"), 0o600))
		found, err := gosource.Find(dir)
		require.NoError(t, err)
		_, err = found.TypeComment(reflect.TypeFor[gosource.Module]())
		return err
	}
	require.ErrorContains(t, comment(), "there is no Go source in "+dir)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "internal/gosource"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "internal/gosource/a.go"), []byte("package {"), 0o600))
	require.ErrorContains(t, comment(), "parse the source")
}
