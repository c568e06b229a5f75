package strictyaml_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// FuzzDecode proves that no input panics, that each fault stands in the file, and
// that a document without fault decodes to the same twice.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "---", "a: 1", "inner: {lookback: 30s, on: true, list: [a, 'b']}\nitems: [{name: 010}]\nlabels: {b: 2}",
		"base: &b {count: 1}\ninner: {<<: *b}\nitems: [*b, {<<: [*b, *b]}]", "a: &a [*a]", "a: {<<: {<<: {<<: x}}}",
		"inner: {name: '${env:A}${env:B:-x}'}\nport: ${env:C", "x: !!int 5\ny: !z {}", "? {a: b}\n: c", "a: 1\n---\nb: 2",
		"inner:\n\tname: x", "port: 0x\nratio: .nan\nptr: ~\nptr: {count: -0}", "\xff\xfe", "a: \x00", "%YAML 1.1\n--- !x\n",
		"limits: [1, {max: 2}, {hard: maybe}]\nraw: {a: [b]}\nordered: {z: 1, a: x}", "a: |2\n   x\n  y\n", "\"\\u0000\": 1", "*a : 1",
		strings.Repeat("[", 200), strings.Repeat("{a: ", 70) + strings.Repeat("}", 70), "&a : &b\n*a : *b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := decodeEverything(data)
		var errs strictyaml.Errors
		if err != nil && !errors.As(err, &errs) {
			t.Fatalf("%T is no strictyaml.Errors: %v", err, err)
		}
		last := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r") +
			strings.Count(string(data), "\u0085") + strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029")
		for _, one := range errs {
			require.NotEmpty(t, one.Message)
			require.GreaterOrEqual(t, one.Line, 1)
			require.LessOrEqual(t, one.Line, last+1)
			require.GreaterOrEqual(t, one.Column, 1)
			require.NotContains(t, one.Error(), "\x1b")
		}
		require.True(t, slices.IsSortedFunc(errs, func(x, y strictyaml.Error) int { return x.Line - y.Line }))
		second, again := decodeEverything(data)
		require.Equal(t, err, again)
		require.Equal(t, first, second)
	})
}

type everything struct {
	Outer   outer                            `yaml:",inline"`
	Base    inner                            `yaml:"base"`
	Limits  []limit                          `yaml:"limits"`
	Raw     strictyaml.Value                 `yaml:"raw"`
	Ordered strictyaml.Map[int]              `yaml:"ordered"`
	Late    strictyaml.Map[strictyaml.Value] `yaml:"late"`
	RawGot  map[string][]string              `yaml:"-"`
}

// decodeEverything returns what data holds, less what points back to the document.
func decodeEverything(data []byte) (everything, error) {
	var got everything
	document, err := strictyaml.Decode(data, "x.yaml", &got, environment(map[string]string{"A": "1", "B": "b"}))
	if document == nil {
		return everything{}, err
	}
	err = errors.Join(err, got.Raw.Decode(&got.RawGot))
	for _, entry := range got.Late {
		_ = entry.Value.Decode(&got.Base)
		document.Position(entry.Path + ".a[0]")
	}
	got.Raw, got.Late = strictyaml.Value{}, nil
	return got, err
}
