package describe_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/internal/describe"
	"github.com/otelnpd/otelnpd/internal/gosource"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// whole has a key of each kind.
type whole struct {
	// Text is what it says, with a|b and *.
	Text string `yaml:"text"`
	// Word tells one of a few.
	Word colour `yaml:"word"`
	// Depth reads itself.
	Depth depth `yaml:"depth"`
	// Switch to turn.
	Switch bool `yaml:"switch"`
	// Small number.
	Small int8 `yaml:"small"`
	// Port number.
	Port uint16 `yaml:"port"`
	// Rate a second.
	Rate float64 `yaml:"rate"`
	// Wait is how long.
	Wait time.Duration `yaml:"wait"`
	// Lists of lists.
	Lists [][]string `yaml:"lists"`
	// Where is a mapping.
	Where map[string]string `yaml:"where"`
	// Named ones.
	Named strictyaml.Map[item] `yaml:"named"`
	// Items in order.
	Items []item `yaml:"items"`
	// Maybe is a pointer.
	Maybe *item `yaml:"maybe"`
	// Parts are components.
	Parts strictyaml.Map[strictyaml.Value] `yaml:"parts"`
	Inner `yaml:",inline"`
	// Computed is no key.
	Computed func() `yaml:"-"`
}

// Inner is inlined.
type Inner struct {
	// Inlined stands beside the others.
	Inlined string `yaml:"inlined"`
}

// item is one of several.
type item struct {
	// Name is needed.
	Name string `yaml:"name"`
}

// part of a whole.
type part struct {
	// Size in bytes.
	Size int `yaml:"size"`
}

func (*part) Validate() error { return nil }

type colour string

func (colour) Words() []string { return []string{"", "red", "green"} }

type depth int

func (depth) Words() []string                { return []string{"all"} }
func (depth) Pattern() string                { return "^[0-9]+m?$" }
func (d depth) MarshalText() ([]byte, error) { return []byte("all"), nil }
func (d *depth) UnmarshalText([]byte) error  { return nil }

func layout() config.Layout {
	return config.Layout{
		File: &whole{Text: "hello", Word: "red", Port: 80, Rate: 0.5, Wait: 2 * time.Hour, Maybe: &item{Name: "x"}},
		Components: map[string]map[string]func() pipeline.Config{
			"parts": {"part": func() pipeline.Config { return &part{Size: 5} }},
		},
		Names: map[string]string{"named": "^[a-z]+$"},
	}
}

func source(t *testing.T) *gosource.Module {
	t.Helper()
	found, err := gosource.Find(".")
	require.NoError(t, err)
	return found
}

func TestTable(t *testing.T) {
	file, err := describe.File(source(t), layout())
	require.NoError(t, err)
	require.Equal(t, "| key | type | default | meaning |\n|---|---|---|---|\n"+
		"| `text` | text | `hello` | What it says, with a\\|b and \\* |\n"+
		"| `word` | `red`, `green` | `red` | Tells one of a few |\n"+
		"| `depth` | `all`, a duration | `all` | Reads itself |\n"+
		"| `switch` | switch | `false` | Switch to turn |\n"+
		"| `small` | whole number | `0` | Small number |\n"+
		"| `port` | whole number | `80` | Port number |\n"+
		"| `rate` | number | `0.5` | Rate a second |\n"+
		"| `wait` | duration | `2h` | How long |\n"+
		"| `lists` | list of lists |  | Lists of lists |\n"+
		"| `where` | mapping of names to texts |  | A mapping |\n"+
		"| `named` | mapping of names to mappings |  | Named ones |\n"+
		"| `named.*.name` | text |  | Needed |\n"+
		"| `items` | list of mappings |  | Items in order |\n"+
		"| `maybe` | mapping |  | A pointer |\n"+
		"| `maybe.name` | text |  | Needed |\n"+
		"| `parts` | mapping of ids to components |  | Components |\n"+
		"| `inlined` | text |  | Stands beside the others |\n", file.Table("items"))
	require.Equal(t, "Size in bytes.", file.Key("parts", "part", "size").Meaning)
	require.Nil(t, file.Key("parts", "other"))
	require.Equal(t, []string{"part"}, file.Key("parts").Types())
}

func TestSchema(t *testing.T) {
	file, err := describe.File(source(t), layout())
	require.NoError(t, err)
	schema, err := describe.Schema("A whole", file, nil)
	require.NoError(t, err)
	checker, err := describe.NewChecker(schema, "")
	require.NoError(t, err)
	for _, good := range []string{
		"{}", "text: 5", "text: true", "text: ''", "text:", "word: green", "word: ''", "word: '${env:A}'", "depth: all", "depth: 0", "depth: 5m",
		"switch: True", "switch: ${env:A}", "small: -128", "port: 0xffff", "rate: 1e3", "rate: 5", "wait: 1h5m", "wait: 1${env:UNIT}",
		"lists: [[a], []]", "where: {a: 5, b.c: d}", "named: {abc: {name: x}, d: }", "items: [{name: x}, null, {}]", "maybe: {name: x}",
		"parts: {part: , part/2: {size: 7}}", "inlined: x", "word: &w red\ntext: *w", "text: '5'\ninlined: |\n  5\n",
	} {
		require.NoError(t, checker.Check([]byte(good)), good)
	}
	for _, bad := range []string{
		"[]", "text: []", "text: {}", "word: blue", "word: 5", "word: true", "depth: some", "depth: 7", "depth: true", "switch: yes", "switch: 1",
		"small: 128", "small: 1.5", "port: -1", "port: 65536", "port: '80'", "port: ${env:A}0", "rate: fast", "wait: 5", "wait: 5 s",
		"lists: [a]", "lists: [[null]]", "where: {a: }", "where: {a: [b]}", "named: {ABC: {}}", "named: {a: {nam: x}}", "items: {name: x}",
		"items: [{nam: x}]", "items: [x]", "parts: {other: }", "parts: {part: {sizes: 7}}", "parts: {part/: }", "computed: x", "hidden: x",
	} {
		require.Error(t, checker.Check([]byte(bad)), bad)
	}
	for _, unread := range []string{"a: [", "a: 1\na: 2", "a: &a [*a]", "a: *b"} {
		require.ErrorIs(t, checker.Check([]byte(unread)), describe.ErrSyntax, unread)
	}
	item, err := describe.NewChecker(schema, "item")
	require.NoError(t, err)
	require.NoError(t, item.Check([]byte("name: x")))
	require.Error(t, item.Check([]byte("text: x")))
}

func TestSchemaThatIsNone(t *testing.T) {
	_, err := describe.NewChecker([]byte("{"), "")
	require.ErrorContains(t, err, "read the schema")
	_, err = describe.NewChecker([]byte("{}"), "missing")
	require.ErrorContains(t, err, "resolve the schema")
}

type faulty struct {
	Silent string `yaml:"silent"`
	// Untagged has no key.
	Untagged string
	// Channel is no value.
	Channel chan int `yaml:"channel"`
	// Raw decodes itself.
	Raw raw `yaml:"raw"`
	// Address reads itself.
	Address address `yaml:"address"`
	// Parts are of an unknown section.
	Parts strictyaml.Map[strictyaml.Value] `yaml:"parts"`
}

type raw struct{}

func (*raw) UnmarshalValue(strictyaml.Value) error { return errors.New("never") }

type address struct{}

func (*address) UnmarshalText([]byte) error { return errors.New("never") }

func TestWhatCannotBeDescribed(t *testing.T) {
	_, err := describe.Struct(source(t), config.Layout{}, &faulty{})
	require.EqualError(t, err, `silent: the field describe_test.faulty.Silent has no comment: write one
: the field describe_test.faulty.Untagged has no yaml tag
channel: nothing is known of the type chan int
raw: nothing is known of the type describe_test.raw, which decodes itself
address: nothing is known of the type describe_test.address, which reads itself: give it the method Words or Pattern
parts: it is not known which components stand here`)
}

// Two types of one name would share a definition.
func TestDefinitionsOfOneName(t *testing.T) {
	file, err := describe.File(source(t), layout())
	require.NoError(t, err)
	other, err := describe.Struct(source(t), layout(), &part{})
	require.NoError(t, err)
	_, err = describe.Schema("A whole", file, map[string]*describe.Key{"item": other})
	require.ErrorContains(t, err, "would both be $defs/item of the schema: rename one")
}

func TestFill(t *testing.T) {
	fill := func(name string, all []string) (string, error) {
		if name == "bad" {
			return "", os.ErrInvalid
		}
		require.Equal(t, []string{"one", "two"}, all)
		return "new " + name + "\n", nil
	}
	const end = "<!-- end of generated -->"
	page, err := describe.Fill("a\n<!-- generated: one -->\nold\n"+end+"\nb\n<!-- generated: two -->\n"+end+"\nc\n", fill)
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- generated: one -->\nnew one\n"+end+"\nb\n<!-- generated: two -->\nnew two\n"+end+"\nc\n", page)
	again, err := describe.Fill(page, fill)
	require.NoError(t, err)
	require.Equal(t, page, again)

	_, err = describe.Fill("<!-- generated: one -->\nold\n", fill)
	require.EqualError(t, err, "the marker <!-- generated: one has no <!-- end of generated -->")
	_, err = describe.Fill("<!-- generated: bad -->\n"+end, fill)
	require.ErrorIs(t, err, os.ErrInvalid)
}
