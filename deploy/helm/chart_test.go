// Package helm_test keeps what the chart holds twice in one.
package helm_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/otelnpd/otelnpd/internal/describe"
)

var update = flag.Bool("update", false, "write what is generated anew")

// requireGenerated compares a generated file, or writes it with -update.
func requireGenerated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "%s is stale: run make generate", path)
}

// A chart can hold no file from outside of it.
func TestGeneratedRules(t *testing.T) {
	for _, name := range []string{"alerts.yaml", "recording.yaml"} {
		rules, err := os.ReadFile(filepath.Join("../prometheus", name))
		require.NoError(t, err)
		requireGenerated(t, filepath.Join("otelnpd/files", name), string(rules))
	}
}

// value is a key of values.yaml with its comment.
type value struct {
	key, comment string
	node         *yaml.Node
}

// values returns the values that have comments of their own, in the file's order.
func values(t *testing.T) []value {
	t.Helper()
	text, err := os.ReadFile("otelnpd/values.yaml")
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	list, err := below("", document.Content[0])
	require.NoError(t, err)
	return list
}

func below(prefix string, mapping *yaml.Node) (list []value, err error) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		one := value{prefix + key.Value, comment(key), node}
		nested, err := below(one.key+".", node)
		switch {
		case one.comment != "":
			list = append(list, one)
		case node.Kind != yaml.MappingNode:
			return nil, fmt.Errorf("%s has no comment", one.key)
		case err != nil:
			return nil, err
		default:
			list = append(list, nested...)
		}
	}
	if len(list) == 0 && prefix != "" {
		return nil, errors.New(prefix + " is empty")
	}
	return list, nil
}

// comment is that right above a key: what stands apart is about the file.
func comment(key *yaml.Node) string {
	paragraphs := strings.Split(key.HeadComment, "\n\n")
	lines := strings.Split(paragraphs[len(paragraphs)-1], "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(strings.TrimPrefix(line, "#"))
	}
	return strings.Join(lines, " ")
}

func TestGeneratedReadme(t *testing.T) {
	const path = "otelnpd/README.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	page, err := describe.Fill(string(text), func(string, []string) (string, error) { return table(values(t)) })
	require.NoError(t, err)
	requireGenerated(t, path, page)
}

func table(list []value) (string, error) {
	var text strings.Builder
	text.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, v := range list {
		shown := "see values.yaml"
		if v.key != "config" {
			var decoded any
			if err := v.node.Decode(&decoded); err != nil {
				return "", err
			}
			data, err := json.Marshal(decoded)
			if err != nil {
				return "", err
			}
			shown = "`" + string(data) + "`"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s |\n", v.key, shown, strings.ReplaceAll(v.comment, "|", "\\|"))
	}
	return text.String(), nil
}

// Where the schema names keys, they are those of the values, and the other way round.
func TestSchemaNamesTheValues(t *testing.T) {
	data, err := os.ReadFile("otelnpd/values.schema.json")
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(data, &schema))
	properties, _ := schema["properties"].(map[string]any)
	delete(properties, "global") // Helm's own
	text, err := os.ReadFile("otelnpd/values.yaml")
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, yaml.Unmarshal(text, &all))
	require.Empty(t, differences("", schema, all))
}

func differences(path string, schema, values map[string]any) (list []string) {
	properties, _ := schema["properties"].(map[string]any)
	for key := range properties {
		if _, has := values[key]; !has {
			list = append(list, path+key+" is in the schema alone")
		}
	}
	for key, v := range values {
		own, has := properties[key].(map[string]any)
		if !has {
			list = append(list, path+key+" is not in the schema")
		}
		if nested, is := v.(map[string]any); is && own["additionalProperties"] == false {
			list = append(list, differences(path+key+".", own, nested)...)
		}
	}
	return list
}

// Each alert has its section in the runbook, where its link leads to.
func TestEveryAlertHasItsSection(t *testing.T) {
	runbook, err := os.ReadFile("../../docs/runbook.md")
	require.NoError(t, err)
	text, err := os.ReadFile("../prometheus/alerts.yaml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	found := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			found++
			require.Contains(t, string(runbook), "\n## "+rule.Alert+"\n")
			require.True(t, strings.HasSuffix(rule.Annotations["runbook_url"], "/docs/runbook.md#"+strings.ToLower(rule.Alert)), rule.Alert)
		}
	}
	require.Equal(t, found, strings.Count(string(runbook), "\n## "))
}
