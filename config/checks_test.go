package config_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
)

// withChecks are the factories with a receiver that brings rules and conditions, as
// those do that run checks.
func withChecks() pipeline.Factories {
	f := factories()
	f.Receivers["checks"] = pipeline.ReceiverFactory{Type: "checks", DefaultConfig: func() pipeline.Config { return &rulesConfig{} }}
	return f
}

func TestReceiversBringRules(t *testing.T) {
	parsed, err := config.Parse([]byte(`conditions:
  Clock: {healthy: {reason: Fine}}
receivers:
  kmsg:
  checks: {packs: [disk/DiskFull/well], rules: [{id: ntp, check: true, condition: Clock}]}
processors:
  rules: {rules: [{id: io, pattern: x, condition: Clock, clear: {by: check, check: ntp}}]}
exporters: {console: }
service: {pipelines: {logs: {receivers: [kmsg, checks], exporters: [console]}}}
`), "c.yaml", withChecks())
	require.NoError(t, err)
	require.Empty(t, parsed.Warnings)
	rules := map[string][]string{}
	for _, rule := range parsed.Conditions.Rules {
		rules[rule.ID] = rule.Receivers
	}
	require.Equal(t, map[string][]string{
		"ntp": {"checks"}, "disk/rule": {"checks"}, "io": {"kmsg", "checks"},
	}, rules)
	var types []string
	for _, one := range parsed.Conditions.Types {
		types = append(types, one.Name)
	}
	require.Equal(t, []string{"Clock", "DiskFull"}, types, "a receiver brings conditions as packs do")
}

// A check that cannot see stops no timer of rules on lines: it reads none of them.
func TestReceiversOfChecksAloneFeedNoRulesOnLines(t *testing.T) {
	parsed, err := config.Parse([]byte(`receivers: {kmsg: , checks: {rules: [{id: ntp, check: true}]}}
processors: {rules: {rules: [{id: io, pattern: x}]}}
exporters: {console: }
service: {pipelines: {logs: {receivers: [checks, kmsg], exporters: [console]}}}
`), "c.yaml", withChecks())
	require.NoError(t, err)
	for _, rule := range parsed.Conditions.Rules {
		want := map[string][]string{"ntp": {"checks"}, "io": {"kmsg"}}[rule.ID]
		require.Equal(t, want, rule.Receivers, rule.ID)
	}
}

func TestRulesOfReceiversThatAreWrong(t *testing.T) {
	const rest = `
exporters: {console: }
service: {pipelines: {logs: {receivers: [kmsg, checks], exporters: [console]}}}`
	for name, tt := range map[string]struct{ text, want string }{
		"condition": {
			"conditions: {Clock: {healthy: {reason: Fine}}}\nreceivers:\n  kmsg:\n  checks: {rules: [{id: ntp, check: true, condition: Clok}]}",
			`c.yaml:4:43: receivers.checks.rules[0].condition: rule "ntp": the condition "Clok" is not declared: declare it under conditions, or did you mean "Clock"?`,
		},
		"reserved": {
			"receivers:\n  kmsg:\n  checks: {rules: [{id: ntp, check: true, condition: Ready}]}",
			`c.yaml:3:43: receivers.checks.rules[0].condition: rule "ntp": the condition Ready is reserved: it belongs to Kubernetes itself`,
		},
		"id": {
			"receivers:\n  kmsg:\n  checks: {rules: [{id: a, check: true}]}\nprocessors: {rules: {rules: [{id: a, pattern: x}]}}",
			`the rule id "a" is used twice`,
		},
		"check": {
			"conditions: {C: {healthy: {reason: Fine}}}\nreceivers: {kmsg: , checks: {rules: [{id: ntp, check: true}]}}\n" +
				"processors: {rules: {rules: [{id: a, pattern: x, condition: C, clear: {by: check, check: ntpd}}]}}",
			`there is no check "ntpd": did you mean "ntp"?`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse([]byte(tt.text+rest), "c.yaml", withChecks())
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestChecksAloneNeedNoRules: verdicts pass dedupe and rules by, so a pipeline that
// lists no processors needs neither where nothing else comes; where the file has rules
// they stand where they always do.
func TestChecksAloneNeedNoRules(t *testing.T) {
	for text, want := range map[string]string{
		"receivers: {checks: {rules: [{id: ntp, check: true}]}}":                                                      "[conditions]",
		"receivers: {checks: {rules: [{id: ntp, check: true}]}}\nprocessors: {rules: {rules: [{id: a, pattern: x}]}}": "[dedupe rules conditions]",
		"receivers: {checks: {rules: [{id: ntp, check: true}, {id: io, pattern: x}]}}":                                "[dedupe rules conditions]",
	} {
		parsed, err := config.Parse([]byte(text+"\nexporters: {console: }\nservice: {pipelines: {logs: {receivers: [checks], exporters: [console]}}}"), "c.yaml", withChecks())
		require.NoError(t, err, text)
		require.Equal(t, want, fmt.Sprint(parsed.Graph.Pipelines[0].Processors), text)
	}
}

// TestWrongChecksAskForNoRules: the error of a check is told alone, whatever else the
// file leaves out.
func TestWrongChecksAskForNoRules(t *testing.T) {
	for processors, want := range map[string]string{
		"":                         `c.yaml:1:22: receivers.checks.rulez: is unknown: did you mean "rules"?`,
		"processors: {dedupe: }\n": `c.yaml:1:22: receivers.checks.rulez: is unknown: did you mean "rules"?`,
	} {
		_, err := config.Parse([]byte("receivers: {checks: {rulez: [], rules: [{id: ntp, check: true}]}}\n"+processors+
			"exporters: {console: }\nservice: {pipelines: {logs: {receivers: [checks], exporters: [console]}}}"), "c.yaml", withChecks())
		require.EqualError(t, err, want, processors)
	}
}
