package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
)

// invalid holds, for each file testdata/invalid/NAME.yaml, all that is said of
// it, without the file's name in front.
var invalid = map[string][]string{
	"alias_bomb": {
		`1:1: aliases (*NAME) repeat too much: at most 100000 values may come from them`,
	},
	"alias_in_itself": {
		`1:16: receivers.kmsg: the alias *r stands inside of what it repeats`,
	},
	"component_bad_id": {
		`1:21: receivers.Kmsg/2: "Kmsg/2" is no component id: write TYPE or TYPE/NAME, for example kmsg or kmsg/2`,
		`1:31: receivers.kmsg/: "kmsg/" is no component id: write TYPE or TYPE/NAME, for example kmsg or kmsg/2`,
	},
	"component_endpoint_twice": {
		`4:3: exporters.prometheus/2: needs the endpoint 127.0.0.1:9, which exporters.prometheus has: only one can`,
	},
	"component_invalid": {
		`2:3: receivers.kmsg: a buffer of one holds nothing`,
		`4:5: receivers.kmsg.lookback: -5m0s is negative`,
		`7:5: exporters.prometheus.endpoint: "9100" is no HOST:PORT`,
	},
	"component_twice": {
		`3:3: receivers.kmsg: is set twice, first on line 2`,
	},
	"component_unknown_key": {
		`3:5: receivers.kmsg.lokback: is unknown: did you mean "lookback"?`,
		`4:23: exporters.console.color: is unknown: no key belongs here`,
	},
	"component_unknown_type": {
		`1:13: receivers.kmgs: there is no receiver of type "kmgs": did you mean "kmsg"?`,
		`2:14: processors.sampler: there is no processor of type "sampler": write one of conditions, dedupe, rules`,
	},
	"component_unused": {
		`1:21: receivers.kmsg/2: no pipeline names it: list it under service.pipelines or take it out`,
		`2:14: processors.dedupe/x: no pipeline names it: list it under service.pipelines or take it out`,
		`5:3: exporters.prometheus: no pipeline names it: list it under service.pipelines or take it out`,
		`5:16: exporters.prometheus.endpoint: "here" is no HOST:PORT`,
	},
	"component_wrong_types": {
		`3:5: receivers.kmsg.lookback: want a duration like 30s, not 5`,
		`4:5: receivers.kmsg.buffer: want a whole number from 0 to 255, not 256`,
		`5:5: receivers.kmsg.follow: want true or false, not "yes"`,
		`6:5: receivers.kmsg.units: want a list like [kubelet], not "kubelet"`,
		`7:13: exporters.console: want a mapping of keys, not a list`,
	},
	"condition_bad_clear": {
		`1:61: conditions.LinkDown.clear.by: "reboot" is unknown: write one of boot, latched, ttl, recovery, check`,
	},
	"condition_bad_initial": {
		`1:53: conditions.LinkDown.initial: "sick" is unknown: write one of unknown, healthy`,
	},
	"condition_bad_on_unknown": {
		`1:53: conditions.LinkDown.on_unknown: "drop" is unknown: write one of hold, unknown`,
	},
	"condition_bad_polarity": {
		`1:53: conditions.LinkDown.polarity: "inverse" is unknown: write one of problem_is_true, problem_is_false`,
	},
	"condition_bad_reason": {
		`1:35: conditions.LinkDown.healthy.reason: "links up" is no reason: write a CamelCase word, for example DiskIsFailing`,
	},
	"condition_bad_type_name": {
		`1:14: conditions.link down: "link down" is no condition type: write a CamelCase word of at most 63 characters, for example DiskFailing`,
	},
	"condition_clear_by_recovery": {
		`1:61: conditions.LinkDown.clear.by: recovery needs a pattern: write it in the rule's own clear`,
	},
	"condition_clear_by_unknown_check": {
		`1:72: conditions.LinkDown.clear.check: there is no check "link": none exists`,
	},
	"condition_differs_from_pack": {
		`2:14: processors.rules: the condition LinkDown is declared differently by conditions.LinkDown: make the declarations equal or take one out`,
	},
	"condition_differs_in_packs": {
		`1:14: processors.rules: the condition LinkDown is declared differently by two of its packs: make the declarations equal or take one out`,
	},
	"condition_is_no_mapping": {
		`1:14: conditions.LinkDown: want a mapping of keys, not true`,
	},
	"condition_reserved": {
		`2:3: conditions.MemoryPressure: the condition MemoryPressure is reserved: it belongs to Kubernetes itself; choose another type`,
	},
	"condition_ttl_without_by": {
		`1:61: conditions.LinkDown.clear.ttl: belongs to by: ttl alone`,
	},
	"condition_twice": {
		`3:3: conditions.LinkDown: is set twice, first on line 2`,
	},
	"condition_unknown_key": {
		`3:32: conditions.LinkDown.healthy.mesage: is unknown: did you mean "message"?`,
	},
	"condition_without_reason": {
		`2:3: conditions.LinkDown.healthy.reason: is missing: write a CamelCase word, for example DiskIsFailing`,
	},
	"conditions_are_a_list": {
		`1:1: conditions: want a mapping of keys, not a list`,
	},
	"env_bad_name": {
		`5:3: service.node: "not a name" is no name of an environment variable: write ${env:NAME} or ${env:NAME:-default}`,
	},
	"env_unclosed": {
		`5:3: service.node: "${env:NAME" has no closing brace: write ${env:NAME}, or $${env: for the text itself`,
	},
	"env_unset": {
		`5:3: service.node: the environment variable OTELNPD_TEST_UNSET is not set: set it or write ${env:OTELNPD_TEST_UNSET:-default}`,
	},
	"nested_too_deep": {
		`1:76: receivers[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0…: is nested too deep: at most 64 levels are allowed`,
	},
	"not_a_mapping": {
		`1:1: want a mapping of keys, not a list`,
	},
	"pack_condition_reserved": {
		`1:14: processors.rules: the condition Ready is reserved: it belongs to Kubernetes itself; choose another type`,
	},
	"pipeline_bad_id": {
		`3:23: service.pipelines.logs/a/b: "logs/a/b" is no pipeline id: write logs, logs/NAME or metrics`,
	},
	"pipeline_empty": {
		`3:5: service.pipelines.logs.receivers: the pipeline has no receiver: list at least one`,
		`3:5: service.pipelines.logs.exporters: the pipeline has no exporter: list at least one`,
	},
	"pipeline_empty_name_in_list": {
		`3:72: service.pipelines.logs.exporters[1]: is empty: write a value or leave it out`,
	},
	"pipeline_metrics": {
		`6:27: service.pipelines.metrics.receivers[0]: the receiver "kmsg" has nothing to do with metrics: list it in service.pipelines.logs`,
		`6:34: service.pipelines.metrics.processors: no records flow in the metrics pipeline: take the processors out`,
		`6:68: service.pipelines.metrics.exporters[0]: the exporter "console" has nothing to do with metrics: list it in service.pipelines.logs`,
		`7:24: service.pipelines.logs.receivers[0]: the receiver "stats" has nothing to do with logs: list it in service.pipelines.metrics`,
		`8:5: service.pipelines.metrics/two: there is one metrics pipeline: write it as metrics; what each exporter gets, its include and exclude say`,
	},
	"pipeline_metrics_twice": {
		`3:3: receivers.stats/2: needs the metric npd/b, which receivers.stats has: only one can`,
	},
	"pipeline_names_twice": {
		`3:48: service.pipelines.logs.receivers[1]: "kmsg" is listed twice`,
	},
	"pipeline_names_undeclared": {
		`6:25: service.pipelines.logs.receivers[1]: the receiver "journald" is not declared: write it under receivers`,
		`6:35: service.pipelines.logs.receivers[2]: the receiver "kmsg/2" is not declared: write it under receivers, or did you mean "kmsg"?`,
		`6:43: service.pipelines.logs.receivers[3]: the receiver "KMSG" is not declared: did you mean "kmsg"?`,
		`7:20: service.pipelines.logs.processors[0]: the processor "dedup" is not declared: did you mean "dedupe"?`,
		`7:27: service.pipelines.logs.processors[1]: the processor "sampler" is not declared: write one of conditions, dedupe, rules`,
		`7:36: service.pipelines.logs.processors[2]: the processor "rules/2" is not declared: write it under processors, or did you mean "rules"?`,
		`8:28: service.pipelines.logs.exporters[1]: the exporter "prometheus/b" is not declared: write it under exporters, or did you mean "prometheus/a"?`,
	},
	"pipeline_unknown_key": {
		`3:71: service.pipelines.logs.procesors: is unknown: did you mean "processors"?`,
	},
	"pipeline_unknown_kind": {
		`3:23: service.pipelines.log: there is no pipeline of type "log": did you mean "logs"?`,
		`3:71: service.pipelines.traces: there is no pipeline of type "traces": write one of logs, metrics`,
	},
	"pipeline_without_exporters": {
		`2:49: service.pipelines.logs.exporters: the pipeline has no exporter: list at least one`,
	},
	"pipeline_without_receivers": {
		`2:23: service.pipelines.logs.receivers: the pipeline has no receiver: list at least one`,
	},
	"pipelines_missing": {
		`1:1: service.pipelines: there is no pipeline: write one, for example logs: {receivers: [kmsg], exporters: [console]}`,
	},
	"pipelines_misspelled": {
		`1:1: service.pipelines: there is no pipeline: write one, for example logs: {receivers: [kmsg], exporters: [console]}`,
		`1:11: service.pipeline: is unknown: did you mean "pipelines"?`,
	},
	"rule_clear_by_unknown_check": {
		`6:69: processors.rules.rules[1].clear.check: there is no check "link-chek": did you mean "link-check"?`,
	},
	"rule_id_twice": {
		`1:51: processors.rules.rules[0]: the rule id "kernel/rule" is used twice, first by processors.rules.packs[0]: ids must be unique`,
	},
	"rule_id_twice_in_components": {
		`4:42: processors.rules/2.rules[1]: the rule id "a" is used twice, first by processors.rules.rules[0]: ids must be unique`,
	},
	"rule_invalid": {
		`5:9: processors.rules.rules[1].pattern: is missing`,
		`6:17: processors.rules.rules[1].clear.by: ttl needs the key ttl beside it`,
	},
	"rule_reserved_condition": {
		`1:50: processors.rules.rules[0].condition: rule "a": the condition Ready is reserved: it belongs to Kubernetes itself`,
	},
	"rule_unknown_condition": {
		`6:29: processors.rules.rules[1].condition: rule "b": the condition "LinksDown" is not declared: declare it under conditions, or did you mean "LinkDown"?`,
	},
	"rule_unknown_key": {
		`4:9: processors.rules.rules[0].pattern: is missing`,
		`5:9: processors.rules.rules[0].pattrn: is unknown: did you mean "pattern"?`,
	},
	"rule_without_any_condition": {
		`1:50: processors.rules.rules[0].condition: rule "a": the condition "LinkDown" is not declared: declare it under conditions`,
	},
	"service_bad_host": {
		`5:10: service.host.root: "host" is no absolute path: write one like /host`,
		`5:22: service.host.proc: "proc" is no absolute path: write one like /host`,
		`5:34: service.host.sys: "./sys" is no absolute path: write one like /host`,
		`5:46: service.host.run: "run" is no absolute path: write one like /host`,
		`5:56: service.host.dev: is unknown: write one of proc, root, run, sys`,
	},
	"service_bad_logs": {
		`5:22: service.telemetry.logs.level: "trace" is unknown: write one of debug, info, warn, error`,
		`5:36: service.telemetry.logs.format: "logfmt" is unknown: write one of auto, text, json`,
		`5:52: service.telemetry.logs.colour: is unknown: write one of format, level`,
	},
	"service_bad_node": {
		`5:3: service.node: "node 1" is no node name: write letters, digits, '-', '.' and '_', at most 253, or leave it out`,
	},
	"service_long_socket": {
		`5:3: service.socket: "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" has 108 bytes, a socket's path has at most 107`,
	},
	"service_relative_socket": {
		`5:3: service.socket: "otelnpd.sock" is no absolute path: write one like /run/otelnpd/otelnpd.sock, or none`,
	},
	"service_relative_state_dir": {
		`5:3: service.state_dir: "state" is no absolute path: write one like /var/lib/otelnpd, or none`,
	},
	"service_capability_unknown": {
		`6:24: service.capabilities[1]: "CAP_SYSLOG" is no capability: write one of capabilities(7) without CAP_, for example SYSLOG`,
	},
	"service_shutdown_timeout_too_long": {
		`5:3: service.shutdown_timeout: 10m0s is out of bounds: write a duration from 1s to 5m`,
	},
	"service_shutdown_timeout_too_short": {
		`5:3: service.shutdown_timeout: 10ms is out of bounds: write a duration from 1s to 5m`,
	},
	"service_shutdown_timeout_without_unit": {
		`5:3: service.shutdown_timeout: want a duration like 30s, not 10`,
	},
	"service_unknown_key": {
		`5:3: service.shutdown_timout: is unknown: did you mean "shutdown_timeout"?`,
	},
	"syntax": {
		`3:10: is no YAML: while parsing a flow mapping: did not find expected ',' or '}'`,
	},
	"tabs": {
		`2:1: is no YAML: a tab cannot indent: write spaces`,
	},
	"tag_unknown": {
		`5:3: service.node: the tag !host is not allowed here: leave it out`,
	},
	"two_documents": {
		`2:1: a second document begins here: write one document a file`,
	},
	"unknown_section": {
		`1:1: receeivers: is unknown: did you mean "receivers"?`,
	},
}

func TestInvalidFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	require.NoError(t, err)
	untested := map[string]bool{}
	for name := range invalid {
		untested[name] = true
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		delete(untested, name)
		t.Run(name, func(t *testing.T) {
			expected, ok := invalid[name]
			require.True(t, ok, "the file has no expectation")
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			parsed, err := config.Parse(data, "c.yaml", factories())
			require.Nil(t, parsed)
			require.Equal(t, "c.yaml:"+strings.Join(expected, "\nc.yaml:"), err.Error())
		})
	}
	require.Empty(t, untested, "expectations without a file")
}
