package strictyaml_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// environment looks variables up in a map.
func environment(variables map[string]string) strictyaml.Option {
	return strictyaml.Env(func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	})
}

func TestEnv(t *testing.T) {
	env := environment(map[string]string{
		"NAME": "n1", "COUNT": "12", "ON": "true", "TIME": "30s", "NULL": "null", "EMPTY": "", "LIST": "[a, b]",
		"NEST": "${env:NAME}", "LINES": "a\nb: c", "_x9": "y",
	})
	for text, want := range map[string]inner{
		"name: ${env:NAME}":                     {Name: "n1"},
		"name: '${env:NAME}'":                   {Name: "n1"},
		"name: a-${env:NAME}-${env:_x9}":        {Name: "a-n1-y"},
		"name: $${env:NAME}":                    {Name: "${env:NAME}"},
		"name: $$${env:NAME}":                   {Name: "$${env:NAME}"},
		"name: x$${env:${env:NAME}":             {Name: "x${env:n1"},
		"name: ${NAME} $NAME $$ ${env}":         {Name: "${NAME} $NAME $$ ${env}"},
		"name: ${env:NEST}":                     {Name: "${env:NAME}"},
		"name: ${env:LINES}":                    {Name: "a\nb: c"},
		"name: ${env:GONE:-other}":              {Name: "other"},
		"name: ${env:GONE:-a:-b}":               {Name: "a:-b"},
		"name: ${env:EMPTY:-other}":             {Name: "other"},
		"name: ${env:NAME:-other}":              {Name: "n1"},
		"name: x${env:EMPTY}":                   {Name: "x"},
		"name: ${env:COUNT}":                    {Name: "12"},
		"name: ${env:LIST}":                     {Name: "[a, b]"},
		"count: ${env:COUNT}":                   {Count: 12},
		"count: '${env:COUNT}'":                 {Count: 12},
		"count: ${env:GONE:-7}":                 {Count: 7},
		"on: ${env:ON}":                         {On: true},
		"lookback: ${env:TIME}":                 {Lookback: 30 * time.Second},
		"lookback: ${env:COUNT}m":               {Lookback: 12 * time.Minute},
		"list: ['${env:NAME}', \"${env:_x9}\"]": {List: []string{"n1", "y"}},
	} {
		t.Run(text, func(t *testing.T) {
			var got inner
			_, err := strictyaml.Decode([]byte(text), "x.yaml", &got, env)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestEmptyVariableLeavesTheDefault(t *testing.T) {
	got := inner{Name: "kept", Count: 3}
	_, err := strictyaml.Decode([]byte("name: ${env:EMPTY}\ncount: '${env:NULL}'"), "x.yaml", &got,
		environment(map[string]string{"EMPTY": "", "NULL": "null"}))
	require.NoError(t, err)
	require.Equal(t, inner{Name: "kept", Count: 3}, got)
}

func TestEnvFaults(t *testing.T) {
	for text, want := range map[string]string{
		"name: ${env:GONE}":          `1:1: name: the environment variable GONE is not set: set it or write ${env:GONE:-default}`,
		"count: x${env:COUNT}":       `1:1: count: want a whole number, not the value of "x${env:COUNT}"`,
		"count: ${env:COUNT}0":       `1:1: count: want a whole number, not the value of "${env:COUNT}0"`,
		"lookback: ${env:COUNT}":     `1:1: lookback: want a duration like 30s, not the value of "${env:COUNT}"`,
		"name: ${env:}":              `1:1: name: "" is no name of an environment variable: write ${env:NAME} or ${env:NAME:-default}`,
		"name: ${env:9}":             `1:1: name: "9" is no name of an environment variable: write ${env:NAME} or ${env:NAME:-default}`,
		"name: ${env:A-B}":           `1:1: name: "A-B" is no name of an environment variable: write ${env:NAME} or ${env:NAME:-default}`,
		"name: a ${env:COUNT":        `1:1: name: "${env:COUNT" has no closing brace: write ${env:NAME}, or $${env: for the text itself`,
		"list: [a, '${env:EMPTY}']":  `1:11: list[1]: is empty: write a value or leave it out`,
		"${env:COUNT}: 1":            `1:1: ${env:COUNT}: is unknown: write one of count, list, lookback, name, on`,
		"list: ${env:LIST}":          `1:1: list: want a list, not the value of "${env:LIST}"`,
		"name: ${env:BIG}${env:BIG}": `1:1: name: environment variables add more than 1048576 bytes`,
	} {
		t.Run(text, func(t *testing.T) {
			var got inner
			_, err := strictyaml.Decode([]byte(text), "x.yaml", &got, environment(map[string]string{
				"COUNT": "12", "EMPTY": "", "LIST": "[a, b]", "BIG": strings.Repeat("x", 1<<19+1),
			}))
			require.EqualError(t, err, "x.yaml:"+want)
			got.List = nil
			require.Equal(t, inner{}, got)
		})
	}
}

func TestAllEnvFaultsAreTold(t *testing.T) {
	var got outer
	_, err := strictyaml.Decode([]byte("inner: {name: '${env:A}${env:B}', on: yes}\nitems: [{name: '${env:A}'}]"), "x.yaml", &got, environment(nil))
	require.EqualError(t, err, `x.yaml:1:9: inner.name: the environment variable A is not set: set it or write ${env:A:-default}
x.yaml:1:9: inner.name: the environment variable B is not set: set it or write ${env:B:-default}
x.yaml:1:35: inner.on: want true or false, not "yes"
x.yaml:2:10: items[0].name: the environment variable A is not set: set it or write ${env:A:-default}`)
}

func TestWithoutEnvReferencesAreText(t *testing.T) {
	var got inner
	_, err := strictyaml.Decode([]byte("name: $${env:A} ${env:B"), "x.yaml", &got)
	require.NoError(t, err)
	require.Equal(t, "$${env:A} ${env:B", got.Name)
}

// What a variable holds may be a secret: an error names the variable alone.
func TestErrorsHideTheEnvironment(t *testing.T) {
	env := environment(map[string]string{"SECRET": "hush", "LINES": "hush\n\"x\": hush", "NUMBER": "4711"})
	for _, value := range []string{"${env:SECRET}", "'${env:SECRET}'", "x-${env:SECRET}", "${env:LINES}", "&a ${env:SECRET}", "${env:NUMBER}"} {
		for _, key := range []string{"count", "small", "share", "on", "time", "names", "map", "inner", "word", "ordered"} {
			var got struct {
				Count   int                    `yaml:"count"`
				Small   uint8                  `yaml:"small"`
				Share   float32                `yaml:"share"`
				On      bool                   `yaml:"on"`
				Time    time.Duration          `yaml:"time"`
				Names   []string               `yaml:"names"`
				Map     map[string]string      `yaml:"map"`
				Inner   inner                  `yaml:"inner"`
				Word    picky                  `yaml:"word"`
				Ordered strictyaml.Map[string] `yaml:"ordered"`
			}
			_, err := strictyaml.Decode([]byte(key+": "+value), "x.yaml", &got, env)
			if value == "${env:NUMBER}" && (key == "count" || key == "share") {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "the value of \"", "%s: %s", key, value)
			require.NotContains(t, err.Error(), "hush", "%s: %s", key, value)
			require.NotContains(t, err.Error(), "4711", "%s: %s", key, value)
		}
	}
	var got struct {
		Names time.Duration `yaml:"names"`
		Copy  time.Duration `yaml:"copy"`
	}
	_, err := strictyaml.Decode([]byte("names: &a ${env:SECRET}\ncopy: *a"), "x.yaml", &got, env)
	require.EqualError(t, err, `x.yaml:1:1: names: want a duration like 30s, not the value of "${env:SECRET}"
x.yaml:2:1: copy: want a duration like 30s, not the value of "${env:SECRET}"`)
}

// picky takes no text.
type picky struct{}

func (*picky) UnmarshalText(text []byte) error { return fmt.Errorf("%q is no word", text) }
