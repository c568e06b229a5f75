package strictyaml_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

func TestAliasesAndMerges(t *testing.T) {
	var got struct {
		Base  inner   `yaml:"base"`
		Other inner   `yaml:"other"`
		Items []inner `yaml:"items"`
	}
	_, err := strictyaml.Decode([]byte(`
base: &base {name: base, count: 1, on: true}
other: &other
  <<: *base
  name: other
items:
  - *base
  - {<<: [{count: 5}, *base, *other], lookback: 1s}
  - {"<<": *base}
`), "x.yaml", &got)
	require.EqualError(t, err, `x.yaml:9:6: items[2].<<: is unknown: write one of count, list, lookback, name, on`)
	base := inner{Name: "base", Count: 1, On: true}
	require.Equal(t, base, got.Base)
	require.Equal(t, inner{Name: "other", Count: 1, On: true}, got.Other)
	require.Equal(t, base, got.Items[0])
	require.Equal(t, inner{Name: "base", Count: 5, On: true, Lookback: 1e9}, got.Items[1])
}

func TestFaultReachedOverAliasesIsToldOnce(t *testing.T) {
	var got outer
	_, err := strictyaml.Decode([]byte("items:\n  - &a {count: x}\n  - {<<: *a}\n  - *a\n"), "x.yaml", &got)
	require.EqualError(t, err, `x.yaml:2:9: items[0].count: want a whole number, not "x"`)
}

func TestStructure(t *testing.T) {
	deep := func(n int) string { return "a: " + strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, test := range map[string]struct{ text, want string }{
		"duplicate key":             {"a: 1\nb: 2\na: 3\n", `3:1: a: is set twice, first on line 1`},
		"duplicate quoted key":      {"a: {b: 1, 'b': 2}", `1:11: a.b: is set twice, first on line 1`},
		"list as key":               {"? [x]\n: 1\n", `1:3: a key must be plain text`},
		"null as key":               {"a: {~: 1}", `1:5: a: a key must be plain text`},
		"alias as key":              {"a: &x b\n*x : 1", `2:1: a key must be plain text`},
		"alias of a key":            {"&k a: 1\nb: *k\n", `2:1: b: the alias *k repeats a key: only values can be repeated`},
		"alias unknown":             {"a: *b", `1:4: is no YAML: unknown anchor 'b' referenced`},
		"alias in itself":           {"a: &x {b: [*x]}", `1:12: a.b[0]: the alias *x stands inside of what it repeats`},
		"merge in itself":           {"a: &x {<<: *x}", `1:8: a.<<: the alias *x stands inside of what it repeats`},
		"merge of text":             {"a: {<<: b}", `1:5: a.<<: want an alias like *NAME of a mapping, or a list of such aliases`},
		"merge of a list":           {"a: &l [x]\nb: {<<: [*l]}", `2:5: b.<<: want an alias like *NAME of a mapping, or a list of such aliases`},
		"merge twice":               {"a: &a {}\nb: {<<: *a, <<: *a}", `2:13: b.<<: is set twice, first on line 2`},
		"unknown tag":               {"a: !secret x", `1:1: a: the tag !secret is not allowed here: leave it out`},
		"binary tag":                {"a: !!binary aGk=", `1:1: a: the tag !!binary is not allowed here: leave it out`},
		"tag of another type":       {"a: !!int x", `1:1: a: the tag !!int is not allowed here: leave it out`},
		"tag on a mapping":          {"a: !!seq {}", `1:1: a: the tag !!seq is not allowed here: leave it out`},
		"tag on a key":              {"!x a: 1", `1:1: a: the tag !x is not allowed here: leave it out`},
		"deepest":                   {deep(63), ""},
		"too deep":                  {"a: " + strings.Repeat("{b: ", 65) + strings.Repeat("}", 65), `1:257: ` + "a" + strings.Repeat(".b", 64) + `: is nested too deep: at most 64 levels are allowed`},
		"too deep over aliases":     {"a: &a " + deep(40)[3:] + "\nb: " + strings.Repeat("[", 30) + "*a" + strings.Repeat("]", 30), `2:34: b` + strings.Repeat("[0]", 30) + `: is nested too deep: at most 64 levels are allowed`},
		"two documents":             {"a: 1\n---\nb: 2\n", `2:1: a second document begins here: write one document a file`},
		"broken second document":    {"a: 1\n---\nb: [2\n", `4:1: is no YAML: while parsing a flow sequence: did not find expected ',' or ']'`},
		"end and nothing":           {"a: 1\n...\n", ""},
		"tab":                       {"ä: ö\nb:\n\t- c", `3:1: is no YAML: a tab cannot indent: write spaces`},
		"no UTF-8":                  {"# ä\nä: \xff", `2:4: the byte 0xff is no UTF-8`},
		"UTF-16":                    {"\xff\xfea\x00", `1:1: the byte 0xff is no UTF-8`},
		"control character":         {"a:\n  b: \x01", `2:6: the character U+0001 is not allowed: in double quotes write \u0001`},
		"rubout":                    {"a: \x7f", `1:4: the character U+007F is not allowed: in double quotes write \u007f`},
		"escaped control character": {`a: "\x01"`, ""},
		"colon in text":             {"a: b: c", `1:5: is no YAML: mapping values are not allowed in this context`},
		"too large":                 {"a: " + long('x', 1<<20), `1:1: has 1048579 bytes, at most 1048576 are allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := strictyaml.Parse([]byte(test.text), "x.yaml")
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "x.yaml:"+test.want)
		})
	}
}

func TestAliasBombs(t *testing.T) {
	lists, merges := "a0: &a0 [x]\n", "a0: &a0 {k: v}\n"
	for i := 1; i <= 30; i++ {
		n, m := string(rune('0'+i/10))+string(rune('0'+i%10)), string(rune('0'+(i-1)/10))+string(rune('0'+(i-1)%10))
		if i == 1 {
			m = "0"
		}
		lists += "a" + n + ": &a" + n + " [*a" + m + ", *a" + m + "]\n"
		merges += "a" + n + ": &a" + n + " {<<: [*a" + m + ", *a" + m + "]}\n"
	}
	for _, text := range []string{lists, merges} {
		var got map[string]any
		document, err := strictyaml.Decode([]byte(text), "x.yaml", &got)
		require.EqualError(t, err, "x.yaml:1:1: aliases (*NAME) repeat too much: at most 100000 values may come from them")
		require.Nil(t, document)
	}
}

func TestEmptyInputLeavesTheDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "--- ~\n", "null", "\ufeff"} {
		got := inner{Name: "kept"}
		document, err := strictyaml.Decode([]byte(text), "x.yaml", &got)
		require.NoError(t, err, "%q", text)
		require.Equal(t, inner{Name: "kept"}, got)
		require.Equal(t, strictyaml.Position{Line: 1, Column: 1}, document.Position("name"))
	}
}

func TestDuplicateKeepsTheFirst(t *testing.T) {
	var got inner
	_, err := strictyaml.Decode([]byte("count: 1\ncount: x\nname: n\n"), "x.yaml", &got)
	require.EqualError(t, err, "x.yaml:2:1: count: is set twice, first on line 1")
	require.Equal(t, inner{Count: 1, Name: "n"}, got)
}
