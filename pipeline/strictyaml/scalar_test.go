package strictyaml_test

import (
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

type word string

type scalars struct {
	Text     string         `yaml:"text"`
	Word     word           `yaml:"word"`
	Bool     bool           `yaml:"bool"`
	Int      int            `yaml:"int"`
	Int8     int8           `yaml:"int8"`
	Int64    int64          `yaml:"int64"`
	Uint64   uint64         `yaml:"uint64"`
	Float    float64        `yaml:"float"`
	Float32  float32        `yaml:"float32"`
	Duration time.Duration  `yaml:"duration"`
	Level    slog.Level     `yaml:"level"`
	Address  netip.AddrPort `yaml:"address"`
	Pointer  *int           `yaml:"pointer"`
	Any      any            `yaml:"any"`
	Func     func()         `yaml:"func"`
	Numbers  map[int]string `yaml:"numbers"`
}

func TestScalars(t *testing.T) {
	seven := 7
	for text, want := range map[string]scalars{
		"text: plain text":           {Text: "plain text"},
		"text: 1.10":                 {Text: "1.10"},
		"text: 'null'":               {Text: "null"},
		"text: yes":                  {Text: "yes"},
		"text: |\n  a\n  b\n":        {Text: "a\nb\n"},
		"text: !!str 5":              {Text: "5"},
		"text: 2001-01-01":           {Text: "2001-01-01"},
		"word: w":                    {Word: "w"},
		"bool: true":                 {Bool: true},
		"bool: TRUE":                 {Bool: true},
		"bool: !!bool true":          {Bool: true},
		"int: -12":                   {Int: -12},
		"int: +12":                   {Int: 12},
		"int: 0o17":                  {Int: 15},
		"int: 0xfF":                  {Int: 255},
		"int: 0":                     {},
		"int8: -128":                 {Int8: math.MinInt8},
		"int64: 9007199254740993":    {Int64: 9007199254740993},
		"int64: !!int 5":             {Int64: 5},
		"uint64: 0xffffffffffffffff": {Uint64: math.MaxUint64},
		"uint64: +5":                 {Uint64: 5},
		"float: 1e3":                 {Float: 1000},
		"float: -.5":                 {Float: -.5},
		"float: 010":                 {Float: 10},
		"float: 3":                   {Float: 3},
		"float32: 2.5":               {Float32: 2.5},
		"duration: 1h30m":            {Duration: 90 * time.Minute},
		"duration: '-5ms'":           {Duration: -5 * time.Millisecond},
		"duration: 0s":               {},
		"level: warn":                {Level: slog.LevelWarn},
		"address: 127.0.0.1:80":      {Address: netip.MustParseAddrPort("127.0.0.1:80")},
		"pointer: 7":                 {Pointer: &seven},
		"pointer: null":              {},
		"any: null":                  {},
	} {
		t.Run(text, func(t *testing.T) {
			var got scalars
			_, err := strictyaml.Decode([]byte(text), "x.yaml", &got)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestScalarsOfTheWrongType(t *testing.T) {
	for text, want := range map[string]string{
		"text: [a]":                 `want text, not a list`,
		"text: {a: b}":              `want text, not a mapping of keys`,
		"bool: yes":                 `want true or false, not "yes"`,
		"bool: on":                  `want true or false, not "on"`,
		"bool: 'true'":              `want true or false, not "true"`,
		"bool: 1":                   `want true or false, not 1`,
		"int: '5'":                  `want a whole number, not "5"`,
		"int: 5.0":                  `want a whole number, not 5.0`,
		"int: 1_000":                `want a whole number, not "1_000"`,
		"int: true":                 `want a whole number, not true`,
		"int: {}":                   `want a whole number, not a mapping of keys`,
		"int: 010":                  `want a whole number without leading zeros, not 010: is it octal (0o…) or decimal?`,
		"int: -00":                  `want a whole number without leading zeros, not -00: is it octal (0o…) or decimal?`,
		"int8: 128":                 `want a whole number from -128 to 127, not 128`,
		"int64: 0xffffffffffffffff": `want a whole number from -9223372036854775808 to 9223372036854775807, not 0xffffffffffffffff`,
		"uint64: -1":                `want a whole number from 0 to 18446744073709551615, not -1`,
		"float: x":                  `want a number, not "x"`,
		"float: .inf":               `want a finite decimal number, not .inf`,
		"float: .NaN":               `want a finite decimal number, not .NaN`,
		"float: 0x10":               `want a finite decimal number, not 0x10`,
		"float32: 1e300":            `want a finite decimal number, not 1e300`,
		"duration: 5":               `want a duration like 30s, not 5`,
		"duration: 0":               `want a duration like 30s, not 0`,
		"duration: '0'":             `want a duration like 30s, not "0"`,
		"duration: 5 minutes":       `want a duration like 30s, not "5 minutes"`,
		"duration: 7d":              `want a duration like 30s, not "7d"`,
		"duration: [30s]":           `want a duration like 30s, not a list`,
		"level: loud":               `slog: level string "loud": unknown name`,
		"level: [warn]":             `want text, not a list`,
		"pointer: x":                `want a whole number, not "x"`,
		"any: 5":                    `cannot be configured: it is of type interface {}`,
		"func: x":                   `cannot be configured: it is of type func()`,
		"numbers: {1: a}":           `cannot be configured: it is of type map[int]string`,
		"int: \"\\e[31m\"":          `want a whole number, not "\x1b[31m"`,
		"int: " + long('x', 99):     `want a whole number, not "` + long('x', 60) + `"…`,
	} {
		t.Run(text, func(t *testing.T) {
			var got scalars
			_, err := strictyaml.Decode([]byte(text), "x.yaml", &got)
			var errs strictyaml.Errors
			require.ErrorAs(t, err, &errs)
			require.Len(t, errs, 1)
			require.Equal(t, want, errs[0].Message)
			require.Equal(t, strictyaml.Position{Line: 1, Column: 1}, strictyaml.Position{Line: errs[0].Line, Column: errs[0].Column})
			require.Equal(t, scalars{}, got, "a fault leaves the default")
		})
	}
}

func TestNullLeavesTheDefault(t *testing.T) {
	for _, null := range []string{"", "~", "null", "NULL", "!!null null"} {
		got := outer{Inner: inner{Name: "n", Lookback: 1, Count: 2, On: true, List: []string{"a"}}, Labels: map[string]string{"a": "b"}}
		want := got
		text := fmt.Sprintf("labels: %[1]s\ninner:\n  name: %[1]s\n  lookback: %[1]s\n  count: %[1]s\n  on: %[1]s\n  list: %[1]s\n", null)
		_, err := strictyaml.Decode([]byte(text), "x.yaml", &got)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func long(letter byte, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = letter
	}
	return string(text)
}
