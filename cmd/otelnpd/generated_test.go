package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/internal/describe"
	"github.com/otelnpd/otelnpd/internal/gosource"
	"github.com/otelnpd/otelnpd/processors/rules"
)

var update = flag.Bool("update", false, "write what is generated anew")

// root is the folder of the module.
const root = "../.."

// requireGenerated compares a generated file, or writes it with -update.
func requireGenerated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(want), 0o644))
	}
	got, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	if want == string(got) {
		return
	}
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(string(got), "\n")
	for i := range wantLines {
		if i >= len(gotLines) || wantLines[i] != gotLines[i] {
			t.Fatalf("%s is stale from line %d on: run make generate\nnow: %s", path, i+1, wantLines[i])
		}
	}
	t.Fatalf("%s is stale: run make generate", path)
}

// described is the whole configuration file and the file of a rule pack.
func described(t *testing.T) (file, pack *describe.Key) {
	t.Helper()
	source, err := gosource.Find(".")
	require.NoError(t, err)
	layout := config.LayoutOf(configFactories())
	file, err = describe.File(source, layout)
	require.NoError(t, err)
	pack, err = describe.Struct(source, layout, &rules.Pack{})
	require.NoError(t, err)
	return file, pack
}

func TestGeneratedSchema(t *testing.T) {
	file, pack := described(t)
	schema, err := describe.Schema("Configuration of otelnpd", file, map[string]*describe.Key{config.SchemaOfPacks: pack})
	require.NoError(t, err)
	requireGenerated(t, "config/schema.json", string(schema))
}

// pages are the pages of which a part is generated.
func pages(t *testing.T) []string {
	t.Helper()
	list := []string{"docs/configuration.md"}
	for folder := range builtIn() {
		list = append(list, folder+"/README.md")
	}
	slices.Sort(list)
	return list
}

func TestGeneratedPages(t *testing.T) {
	file, _ := described(t)
	for _, path := range pages(t) {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		page, err := describe.Fill(string(text), func(name string, all []string) (string, error) {
			return generate(file, name, all)
		})
		require.NoError(t, err, path)
		requireGenerated(t, path, page)
	}
}

// Every component's README has the table of its keys.
func TestEveryREADMEHasItsKeys(t *testing.T) {
	file, _ := described(t)
	for folder := range builtIn() {
		section, name, _ := strings.Cut(folder, "/")
		if len(file.Key(section, name).Keys) == 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, folder, "README.md"))
		require.NoError(t, err)
		require.Contains(t, string(text), "<!-- generated: "+section+" "+name+" -->", folder)
	}
}

// generate returns what stands under a marker: a path of the configuration, or
// what is made of all components.
func generate(file *describe.Key, name string, all []string) (string, error) {
	switch name {
	case "components":
		return componentList(file), nil
	case "reference":
		return reference(file), nil
	}
	key := file.Key(strings.Fields(name)...)
	if key == nil {
		return "", fmt.Errorf("there is no key %q", name)
	}
	return key.Table(apartFrom(name, all)...), nil
}

// apartFrom returns the paths below a marker's that have markers of their own.
func apartFrom(name string, all []string) (apart []string) {
	for _, other := range all {
		if rest, below := strings.CutPrefix(other, name+" "); below {
			path := strings.Fields(rest)
			if last := path[len(path)-1]; last == "[]" || last == "*" {
				path = path[:len(path)-1]
			}
			apart = append(apart, strings.Join(path, "."))
		}
	}
	return apart
}

// sections of components, in the order of the file.
func componentSections() []string { return []string{"receivers", "processors", "exporters"} }

func componentList(file *describe.Key) string {
	var out strings.Builder
	out.WriteString("| section | type | page |\n|---|---|---|\n")
	for _, section := range componentSections() {
		for _, name := range file.Key(section).Types() {
			fmt.Fprintf(&out, "| `%s` | `%s` | [%s/%s](../%[1]s/%[2]s/README.md) |\n", section, name, section, name)
		}
	}
	return out.String()
}

func reference(file *describe.Key) string {
	var out strings.Builder
	for _, section := range componentSections() {
		for _, name := range file.Key(section).Types() {
			fmt.Fprintf(&out, "\n### `%s` in `%s`\n\n", name, section)
			component := file.Key(section, name)
			if len(component.Keys) == 0 {
				out.WriteString("There is nothing to set.\n")
				continue
			}
			out.WriteString(component.Table())
		}
	}
	out.WriteString("\n")
	return out.String()
}

// example is a configuration, or a part of one, on a page.
var example = regexp.MustCompile("(?s)(<!-- invalid -->\n)?```yaml(?: file=\\S+)?\n((?:conditions|receivers|processors|exporters|service):.*?)```")

func readmes() (list []string) {
	for folder := range builtIn() {
		list = append(list, filepath.Join(root, folder, "README.md"))
	}
	return list
}

// The schema takes every configuration and every pack that the project has.
func TestSchemaTakesWhatTheProjectHas(t *testing.T) {
	schema, err := describe.NewChecker(config.Schema(), "")
	require.NoError(t, err)
	require.NoError(t, schema.Check(config.Default()))
	golden, err := filepath.Glob("../../config/npd/testdata/golden/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, golden)
	for _, path := range golden {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, schema.Check(text), path)
	}

	examples := 0
	documents, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, path := range slices.Concat(documents, readmes(), []string{"../../README.md"}) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, match := range example.FindAllStringSubmatch(string(text), -1) {
			require.Equal(t, match[1] != "", schema.Check([]byte(match[2])) != nil, "%s: %s", path, match[2])
			examples++
		}
	}
	require.GreaterOrEqual(t, examples, 8)

	pack, err := describe.NewChecker(config.Schema(), config.SchemaOfPacks)
	require.NoError(t, err)
	names, err := packs.FS.ReadDir(".")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		text, err := packs.FS.ReadFile(name.Name())
		require.NoError(t, err)
		require.NoError(t, pack.Check(text), name.Name())
	}
	require.Error(t, pack.Check([]byte("rules: [{id: a, patern: x}]")))
}
