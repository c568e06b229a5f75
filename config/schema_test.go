package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/internal/describe"
	"github.com/otelnpd/otelnpd/internal/gosource"
	"github.com/otelnpd/otelnpd/pipeline"
)

// checker holds files against the schema of files with some components.
func checker(t *testing.T, f pipeline.Factories) *describe.Checker {
	t.Helper()
	source, err := gosource.Find(".")
	require.NoError(t, err)
	file, err := describe.File(source, config.LayoutOf(f))
	require.NoError(t, err)
	schema, err := describe.Schema("test", file, nil)
	require.NoError(t, err)
	made, err := describe.NewChecker(schema, "")
	require.NoError(t, err)
	return made
}

// notOfShape are the files of testdata/invalid in which every value has the shape
// of its key: only what values mean, alone or together, is wrong.
var notOfShape = map[string]string{
	"component_endpoint_twice":           "what two components have",
	"component_invalid":                  "bounds of values",
	"component_unused":                   "what refers to what",
	"condition_bad_reason":               "what the text of a reason may be",
	"condition_clear_by_recovery":        "what goes together",
	"condition_clear_by_unknown_check":   "what refers to what",
	"condition_differs_from_pack":        "what stands in a pack",
	"condition_differs_in_packs":         "what stands in a pack",
	"condition_reserved":                 "allowed in what is made of node-problem-detector's files",
	"condition_ttl_without_by":           "what goes together",
	"condition_without_reason":           "a key is missing",
	"env_bad_name":                       "text of which the reference is a part",
	"env_unclosed":                       "text of which the reference is a part",
	"env_unset":                          "the environment",
	"pack_condition_reserved":            "what stands in a pack",
	"pipeline_empty":                     "a key is missing",
	"pipeline_names_twice":               "what refers to what",
	"pipeline_names_undeclared":          "what refers to what",
	"pipeline_without_exporters":         "a key is missing",
	"pipeline_without_receivers":         "a key is missing",
	"pipelines_missing":                  "a key is missing",
	"rule_clear_by_unknown_check":        "what refers to what",
	"rule_id_twice":                      "what two rules have",
	"rule_id_twice_in_components":        "what two rules have",
	"rule_invalid":                       "a key is missing",
	"rule_reserved_condition":            "what refers to what",
	"pipeline_metrics_twice":             "what only one can have",
	"rule_unknown_condition":             "what refers to what",
	"rule_without_any_condition":         "what refers to what",
	"service_bad_node":                   "what the text of a name may be",
	"service_long_socket":                "what the text of a path may be",
	"service_relative_socket":            "what the text of a path may be",
	"service_relative_state_dir":         "what the text of a path may be",
	"service_shutdown_timeout_too_long":  "bounds of values",
	"service_shutdown_timeout_too_short": "bounds of values",
	"tag_unknown":                        "tags, which are no values",
	"two_documents":                      "each has the shape of one",
}

// noYAML are those that no schema gets to see.
var noYAML = []string{"alias_in_itself", "component_twice", "condition_twice", "syntax", "tabs"}

// TestSchemaRefusesWhatHasAnotherShape: the schema refuses each file that is wrong
// in its shape, and exactly the named ones take what only we know.
func TestSchemaRefusesWhatHasAnotherShape(t *testing.T) {
	schema := checker(t, factories())
	var taken, unread []string
	for name := range invalid {
		data, err := os.ReadFile(filepath.Join("testdata/invalid", name+".yaml"))
		require.NoError(t, err)
		switch err := schema.Check(data); {
		case errors.Is(err, describe.ErrSyntax):
			unread = append(unread, name)
		case err == nil:
			taken = append(taken, name)
			require.NotEmpty(t, notOfShape[name], "%s: the schema takes it", name)
		}
	}
	require.Len(t, taken, len(notOfShape))
	require.ElementsMatch(t, noYAML, unread)
}

func TestSchemaTakesValidFiles(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	require.NoError(t, err)
	require.NoError(t, checker(t, factories()).Check(data))

	real := checker(t, docFactories())
	require.NoError(t, real.Check(config.Default()))
	page, err := os.ReadFile("../docs/configuration.md")
	require.NoError(t, err)
	for _, match := range fence.FindAllStringSubmatch(string(page), -1) {
		switch match[1] {
		case "<!-- invalid -->\n":
			require.Error(t, real.Check([]byte(match[3])))
		case "<!-- errors -->\n":
		default:
			require.NoError(t, real.Check([]byte(complete(match[3]))), match[3])
		}
	}
}

// What the decoder takes of each kind of value the schema takes, and what it
// refuses the schema refuses.
func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	t.Setenv("OTELNPD_TEST_NUMBER", "7")
	t.Setenv("OTELNPD_TEST_SWITCH", "true")
	t.Setenv("OTELNPD_TEST_TIME", "5s")
	schema := checker(t, factories())
	for key, values := range map[string]struct{ good, bad []string }{
		"buffer":   {[]string{"8", "0x1f", "0o17", "", "null", "'${env:OTELNPD_TEST_NUMBER}'", "${env:OTELNPD_TEST_UNSET:-9}"}, []string{"'8'", "-1", "256", "1.5", "eight", "true", "[8]", "{a: 8}", "'1${env:OTELNPD_TEST_NUMBER}'"}},
		"lookback": {[]string{"5s", "1h30m", "1.5h", ".5s", "'5s'", "+5s", "~", "${env:OTELNPD_TEST_TIME}", "'1h${env:OTELNPD_TEST_TIME}'"}, []string{"5", "0", "'5'", "soon", "5 s", "true", "[5s]"}},
		"follow":   {[]string{"true", "False", "", "${env:OTELNPD_TEST_SWITCH}"}, []string{"yes", "'true'", "1", "on", "[true]"}},
		"units":    {[]string{"[]", "[a, 5, true, '']", "['${env:OTELNPD_TEST_NUMBER}']", ""}, []string{"a", "[[a]]", "[null]", "[a, ]x", "{a: b}"}},
	} {
		for _, value := range values.good {
			file := "receivers:\n  kmsg:\n    " + key + ": " + value + "\n"
			require.NoError(t, schema.Check([]byte(file)), file)
			require.NotContains(t, said(file), "want ", file)
			require.NotContains(t, said(file), "is empty", file)
		}
		for _, value := range values.bad {
			file := "receivers:\n  kmsg:\n    " + key + ": " + value + "\n"
			require.Error(t, schema.Check([]byte(file)), file)
			require.Contains(t, said(file), "c.yaml:3:", file)
		}
	}
}

// said is all that is said of a file.
func said(file string) string {
	_, err := config.Parse([]byte(file), "c.yaml", factories())
	return err.Error()
}
