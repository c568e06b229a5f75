package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
)

const compared = `
conditions:
  LinkDown: {healthy: {reason: LinksUp, message: up}}
receivers: {kmsg: {buffer: 4}}
processors:
  rules:
    rules:
      - {id: link, pattern: link down, condition: LinkDown}
      - {id: oops, pattern: oops}
exporters: {console: , prometheus: {endpoint: '127.0.0.1:1'}}
service:
  pipelines: {logs: {receivers: [kmsg], exporters: [console, prometheus]}}
`

func TestCompare(t *testing.T) {
	replace := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(compared) }
	for name, test := range map[string]struct {
		after string
		want  config.Difference
		text  string
	}{
		"nothing":       {compared, config.Difference{}, "nothing"},
		"a comment":     {compared + "# more\n", config.Difference{}, "nothing"},
		"a rule gone":   {replace("      - {id: oops, pattern: oops}\n", ""), config.Difference{RulesRemoved: []string{"oops"}}, "rules removed: oops"},
		"a rule more":   {replace("pattern: oops}", "pattern: oops}\n      - {id: a, pattern: b}"), config.Difference{RulesAdded: []string{"a"}}, "rules added: a"},
		"a check now":   {replace("pattern: oops}", "pattern: oops, check: true}"), config.Difference{RulesChanged: []string{"oops"}}, "rules changed: oops"},
		"other healthy": {replace("message: up", "message: UP"), config.Difference{ConditionsChanged: []string{"LinkDown"}}, "conditions changed: LinkDown"},
		"another type": {
			replace("LinkDown", "LinkBroken"),
			config.Difference{
				RulesChanged: []string{"link"}, ConditionsAdded: []string{"LinkBroken"}, ConditionsRemoved: []string{"LinkDown"},
			},
			"rules changed: link; conditions added: LinkBroken; conditions removed: LinkDown",
		},
		"components": {
			replace("kmsg: {buffer: 4}", "kmsg: {buffer: 5}, journald: ", "console: , prometheus: {endpoint: '127.0.0.1:1'}", "console: ",
				"[kmsg]", "[kmsg, journald]", "[console, prometheus]", "[console]"),
			config.Difference{
				RulesChanged:    []string{"link", "oops"}, // another receiver reaches them
				ComponentsAdded: []string{"receiver journald"}, ComponentsRemoved: []string{"exporter prometheus"},
				ComponentsChanged: []string{"pipeline logs", "receiver kmsg"},
			},
			"rules changed: link, oops; added: receiver journald; removed: exporter prometheus; changed: pipeline logs, receiver kmsg",
		},
		"service": {
			replace("service:", "service:\n  node: n\n  telemetry: {logs: {level: debug}}"),
			config.Difference{Service: []string{"node", "telemetry.logs.level"}}, "service: node, telemetry.logs.level",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := config.Compare(parse(t, compared), parse(t, test.after))
			require.Empty(t, cmp.Diff(test.want, got))
			require.Equal(t, test.text, got.String())
			require.Equal(t, test.text == "nothing", got.Empty())
		})
	}
}

func TestUnchangeable(t *testing.T) {
	changed := config.Difference{Service: []string{"shutdown_timeout", "telemetry.logs.level"}, RulesAdded: []string{"a"}}
	require.NoError(t, changed.Unchangeable())
	changed.Service = append(changed.Service, "node", "state_dir")
	require.EqualError(t, changed.Unchangeable(), "service.node, service.state_dir cannot change while the agent runs: restart it")
}
