package strictyaml_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

func TestPosition(t *testing.T) {
	document, err := strictyaml.Parse([]byte(`receivers:
  kmsg: &k
    lookback: 5m
  kmsg/a.b:
    lookback: 1m
    rules.x: 1
  kmsg/a:
    b: {lookback: 2m}
rules:
  - id: a
  - {id: b, clear: {by: ttl}}
  -
    - c
    - [d, {e: f}]
copies:
  - *k
  - {<<: *k, own: 1}
`), "x.yaml")
	require.NoError(t, err)
	for path, want := range map[string]struct {
		line, column int
		exists       bool
	}{
		"":                               {1, 1, true},
		"receivers":                      {1, 1, true},
		"receivers.kmsg":                 {2, 3, true},
		"receivers.kmsg.lookback":        {3, 5, true},
		"receivers.kmsg.lookback.deeper": {3, 5, false},
		"receivers.kmsg.other":           {2, 3, false},
		"receivers.kmsgs":                {1, 1, false},
		"receivers.kmsg/a.b":             {4, 3, true},
		"receivers.kmsg/a.b.rules.x":     {6, 5, true},
		"receivers.kmsg/a.b.lookback":    {5, 5, true},
		"receivers.kmsg/a.c":             {7, 3, false},
		"rules[0]":                       {10, 5, true},
		"rules[0].id":                    {10, 5, true},
		"rules[1].clear.by":              {11, 21, true},
		"rules[1].clear.ttl":             {11, 13, false},
		"rules[2][0]":                    {13, 7, true},
		"rules[2][1][1].e":               {14, 12, true},
		"rules[9].id":                    {9, 1, false},
		"rules[-1]":                      {9, 1, false},
		"rules[x":                        {9, 1, false},
		"rules.id":                       {9, 1, false},
		"copies[0].lookback":             {3, 5, true},
		"copies[1].lookback":             {3, 5, true},
		"copies[1].own":                  {17, 14, true},
		"nothing.here[3]":                {1, 1, false},
	} {
		require.Equal(t, strictyaml.Position{Line: want.line, Column: want.column}, document.Position(path), path)
		require.Equal(t, want.exists, document.Has(path), path)
	}
	fault := document.Error("rules[1].clear.ttl", "is missing")
	require.EqualError(t, &fault, "x.yaml:11:13: rules[1].clear.ttl: is missing")
}

func TestMapKeepsTheOrder(t *testing.T) {
	var got struct {
		Items strictyaml.Map[inner] `yaml:"items"`
	}
	_, err := strictyaml.Decode([]byte("items: {z: {count: 1}, a: , m: {count: x}, b: 5}"), "x.yaml", &got)
	require.EqualError(t, err, "x.yaml:1:33: items.m.count: want a whole number, not \"x\"\n"+
		"x.yaml:1:44: items.b: want a mapping of keys, not 5")
	require.Equal(t, []string{"z", "a", "m", "b"}, got.Items.Keys())
	require.Equal(t, strictyaml.Entry[inner]{Key: "z", Value: inner{Count: 1}, Path: "items.z"}, got.Items[0])
}

func TestMapTakesMappingsAlone(t *testing.T) {
	for text, want := range map[string]string{
		"[a]":       "x.yaml:1:1: want a mapping of keys, not a list",
		"a: x":      `x.yaml:1:1: a: want a whole number, not "x"`,
		"a: null":   "x.yaml:1:1: a: is empty: write a value or leave it out",
		"!x {a: 1}": "x.yaml:1:1: the tag !x is not allowed here: leave it out",
	} {
		var got strictyaml.Map[int]
		_, err := strictyaml.Decode([]byte(text), "x.yaml", &got)
		require.EqualError(t, err, want)
	}
	kept := strictyaml.Map[int]{{Key: "a", Value: 1}}
	_, err := strictyaml.Decode([]byte("null"), "x.yaml", &kept)
	require.NoError(t, err)
	require.Len(t, kept, 1)
}

func TestValueDecodesLater(t *testing.T) {
	var got struct {
		Components strictyaml.Map[strictyaml.Value] `yaml:"components"`
		Absent     strictyaml.Value                 `yaml:"absent"`
	}
	_, err := strictyaml.Decode([]byte("components:\n  a: {count: 3, nam: x}\n  b:\n"), "x.yaml", &got)
	require.NoError(t, err)
	require.Equal(t, "components.a", got.Components[0].Value.Path())
	require.Equal(t, strictyaml.Position{Line: 2, Column: 3}, got.Components[0].Value.Position())

	into := inner{Name: "default"}
	require.EqualError(t, got.Components[0].Value.Decode(&into), `x.yaml:2:17: components.a.nam: is unknown: did you mean "name"?`)
	require.Equal(t, inner{Name: "default", Count: 3}, into)
	require.NoError(t, got.Components[1].Value.Decode(&into))
	require.NoError(t, got.Absent.Decode(&into))
	require.Equal(t, inner{Name: "default", Count: 3}, into)
	require.EqualError(t, got.Components[0].Value.Decode(into), "decode components.a: want a pointer to decode into, not strictyaml_test.inner")
	require.EqualError(t, got.Components[0].Value.Decode(nil), "decode components.a: want a pointer to decode into, not <nil>")
}

// limit is a number, or a mapping with more to say.
type limit struct {
	Max  int  `yaml:"max"`
	Hard bool `yaml:"hard"`
}

func (l *limit) UnmarshalValue(value strictyaml.Value) error {
	if value.Decode(&l.Max) == nil {
		if l.Max < 0 {
			return errors.New("is negative")
		}
		return nil
	}
	type plain limit
	return value.Decode((*plain)(l))
}

func TestUnmarshaler(t *testing.T) {
	var got struct {
		Limits []limit `yaml:"limits"`
	}
	_, err := strictyaml.Decode([]byte("limits: [3, {max: 4, hard: true}, {hart: true}, -1]"), "x.yaml", &got)
	require.EqualError(t, err, "x.yaml:1:36: limits[2].hart: is unknown: did you mean \"hard\"?\nx.yaml:1:49: limits[3]: is negative")
	require.Equal(t, []limit{{Max: 3}, {Max: 4, Hard: true}}, got.Limits[:2])
}

func TestInlineAndUntaggedFields(t *testing.T) {
	var got struct {
		inner
		Base     inner `yaml:",inline"`
		Skipped  int   `yaml:"-"`
		Untagged int
		Own      string `yaml:"own,omitempty"`
	}
	_, err := strictyaml.Decode([]byte("own: a\nname: b\nskipped: 1\nuntagged: 2\nUntagged: 3\n-: 4\n"), "x.yaml", &got)
	require.ErrorContains(t, err, "x.yaml:3:1: skipped: is unknown: write one of count, list, lookback, name, on, own\n")
	require.ErrorContains(t, err, "x.yaml:4:1: untagged: is unknown")
	require.ErrorContains(t, err, "x.yaml:5:1: Untagged: is unknown")
	require.ErrorContains(t, err, "x.yaml:6:1: -: is unknown")
	require.Equal(t, "a b", got.Own+" "+got.Base.Name)
}

func TestMapsKeepWhatTheyHeld(t *testing.T) {
	got := map[string]inner{"a": {Count: 1, On: true}, "b": {Count: 2}}
	_, err := strictyaml.Decode([]byte("a: {count: 5}\nc: "), "x.yaml", &got)
	require.NoError(t, err)
	require.Equal(t, map[string]inner{"a": {Count: 5, On: true}, "b": {Count: 2}, "c": {}}, got)
}

func TestErrors(t *testing.T) {
	var got inner
	_, err := strictyaml.Decode([]byte("name: []\ncount: x\n"), "x.yaml", &got)
	var errs strictyaml.Errors
	require.ErrorAs(t, err, &errs)
	require.Equal(t, strictyaml.Errors{
		{File: "x.yaml", Line: 1, Column: 1, Key: "name", Message: "want text, not a list"},
		{File: "x.yaml", Line: 2, Column: 1, Key: "count", Message: `want a whole number, not "x"`},
	}, errs)
	var one *strictyaml.Error
	require.ErrorAs(t, err, &one)
	require.Equal(t, "name", one.Key)
	require.Len(t, errs.Unwrap(), 2)
}

func TestErrorsAreBounded(t *testing.T) {
	var text strings.Builder
	for range 40_000 {
		text.WriteString("- {zebra: 1}\n")
	}
	var got []inner
	_, err := strictyaml.Decode([]byte(text.String()), "x.yaml", &got)
	var errs strictyaml.Errors
	require.ErrorAs(t, err, &errs)
	require.Len(t, errs, 101)
	require.EqualError(t, &errs[100], "x.yaml:101:4: more errors follow from here on")
}

func TestErrorsCover(t *testing.T) {
	errs := strictyaml.Errors{{Key: "a.b"}, {Key: "c[1]"}, {Key: ""}}
	for path, want := range map[string]bool{
		"a.b": true, "a.b.c": true, "a.b[0]": true, "c[1].x": true, "a": false, "a.bc": false, "c": false, "c[10]": false, "": false,
	} {
		require.Equal(t, want, errs.Covers(path), path)
	}
}

func TestHostileKeysAreQuoted(t *testing.T) {
	var got inner
	_, err := strictyaml.Decode([]byte("\"a\\e[2J\\n\": 1\n"+long('k', 500)+": 2\n"), "x.yaml", &got)
	require.EqualError(t, err, `x.yaml:1:1: "a\x1b[2J\n": is unknown: write one of count, list, lookback, name, on`+"\n"+
		"x.yaml:2:1: "+long('k', 200)+"…: is unknown: write one of count, list, lookback, name, on")
}
