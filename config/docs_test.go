package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/processors/rules"
)

var fence = regexp.MustCompile("(?s)(<!-- [a-z]+ -->\n)?```(yaml|text)(?: file=\\S+)?\n(.*?)```")

// docFactories have the real rules, so that the documentation's are true.
func docFactories() pipeline.Factories {
	f := defaultFactories()
	f.Processors[rules.Type] = rules.NewFactory(packs.FS)
	return f
}

// Every example of the page for users is valid, and the errors that it shows are
// those that are told.
func TestDocumentedExamples(t *testing.T) {
	t.Setenv("NODE_NAME", "node-1")
	page, err := os.ReadFile("../docs/configuration.md")
	require.NoError(t, err)
	var invalid string
	checked := 0
	for _, match := range fence.FindAllStringSubmatch(string(page), -1) {
		text := sitePack(t, match[3])
		checked++
		switch match[1] {
		case "<!-- invalid -->\n":
			invalid = text
		case "<!-- errors -->\n":
			_, err := config.Parse([]byte(invalid), "otelnpd.yaml", docFactories())
			require.EqualError(t, err, strings.TrimSpace(text))
		default:
			_, err := config.Parse([]byte(complete(text)), "otelnpd.yaml", docFactories())
			require.NoError(t, err, text)
		}
	}
	require.Equal(t, 5, checked)
}

// complete adds to an example what a whole file needs.
func complete(text string) string {
	const wiring = "  pipelines: {logs: {receivers: [kmsg], exporters: [console]}}\n"
	switch {
	case strings.Contains(text, "pipelines:"):
		return text
	case strings.Contains(text, "\nservice:\n"), strings.HasPrefix(text, "service:\n"):
		text += wiring
	default:
		text += "service:\n" + wiring
	}
	text += "receivers: {kmsg: }\nexporters: {console: }\n"
	if !strings.Contains(text, "processors:") {
		text += "processors: {rules: {packs: [kernel]}}\n"
	}
	return text + `conditions:
  StorageLinkDown: {healthy: {reason: LinksUp}}
  NetworkLinkFlapping: {healthy: {reason: LinksStable}}
`
}

// sitePack puts a real file in place of the pack that examples name.
func sitePack(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "site.yaml")
	require.NoError(t, os.WriteFile(path, []byte("rules: [{id: a, pattern: x, reason: Found}]\n"), 0o600))
	return strings.ReplaceAll(text, "/etc/otelnpd/site.yaml", path)
}
