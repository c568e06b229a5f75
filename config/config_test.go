package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/capability"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
)

// minimal is the least that a configuration needs.
const minimal = `
receivers: {kmsg: }
exporters: {console: }
service: {pipelines: {logs: {receivers: [kmsg], exporters: [console]}}}
`

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	parsed, err := config.Parse([]byte(text), "c.yaml", factories())
	require.NoError(t, err)
	return parsed
}

func TestFullFile(t *testing.T) {
	t.Setenv("OTELNPD_TEST_NODE", "node-7")
	parsed, err := config.Load("testdata/full.yaml", factories())
	require.NoError(t, err)
	id := func(text string) pipeline.ID {
		parsed, err := pipeline.ParseID(text)
		require.NoError(t, err)
		return parsed
	}
	ids := func(texts ...string) []pipeline.ID {
		var list []pipeline.ID
		for _, text := range texts {
			list = append(list, id(text))
		}
		return list
	}
	want := &config.Config{
		Graph: pipeline.GraphConfig{
			Receivers: map[pipeline.ID]pipeline.Config{
				id("kmsg"):            &ringConfig{Lookback: 10 * time.Minute, Buffer: 8},
				id("journald/kernel"): &ringConfig{Follow: true, Units: []string{"kubelet", "containerd"}},
			},
			Processors: map[pipeline.ID]pipeline.Config{
				id("rules"): parsed.Graph.Processors[id("rules")], id("rules/raw"): parsed.Graph.Processors[id("rules/raw")],
				id("dedupe"): &plainConfig{}, id("conditions"): &plainConfig{},
			},
			Exporters: map[pipeline.ID]pipeline.Config{
				id("console"): &plainConfig{}, id("prometheus"): &endpointConfig{Endpoint: "0.0.0.0:9100"},
			},
			Pipelines: []pipeline.PipelineConfig{
				{ID: id("metrics"), Exporters: ids("prometheus")},
				{ID: id("logs/kernel"), Receivers: ids("kmsg", "journald/kernel"), Processors: ids("dedupe", "rules", "conditions"), Exporters: ids("console", "prometheus")},
				{ID: id("logs"), Receivers: ids("kmsg"), Processors: ids("rules/raw"), Exporters: ids("console")},
			},
		},
		Conditions: condition.Config{
			Types: []condition.Type{
				{Name: "StorageReady", HealthyReason: "LinksUp", HealthyMessage: "all links are up", ProblemIsFalse: true, OnUnknown: condition.OnUnknownUnknown, InitiallyHealthy: true, Clear: condition.Clear{By: condition.ClearByTTL, TTL: time.Hour}, UpdateMessage: true},
				{Name: "LinkDown", HealthyReason: "LinksUp", OnUnknown: condition.OnUnknownHold},
				{Name: "KernelDeadlock", HealthyReason: "Fine", HealthyMessage: "no deadlock", OnUnknown: condition.OnUnknownHold},
			},
			Rules: []condition.Rule{
				{ID: "kernel/rule", Condition: "KernelDeadlock", Receivers: []string{"kmsg", "journald/kernel"}},
				{ID: "link-check", Condition: "LinkDown", Level: true, Receivers: []string{"kmsg", "journald/kernel"}},
				{ID: "link-down", Condition: "StorageReady", Clear: condition.Clear{By: condition.ClearByCheck, Check: "link-check"}, Receivers: []string{"kmsg", "journald/kernel"}},
				{ID: "raw", Receivers: []string{"kmsg"}},
			},
			Hash: parsed.Conditions.Hash,
		},
		Service: config.Service{
			Host: pipeline.Host{Root: "/host", Proc: "/host/proc", Sys: "/sys", Run: "/run"},
			Node: "node-7", Socket: "none", StateDir: "/var/lib/node-7", ShutdownTimeout: 30 * time.Second,
			Capabilities: []capability.Name{"SYSLOG", "NET_ADMIN"},
			Telemetry:    config.Telemetry{Logs: config.Logs{Level: "debug", Format: config.FormatJSON}, Naming: pipeline.NamingBoth},
		},
	}
	require.EqualError(t, parsed.Warnings, `testdata/full.yaml:36:31: service.pipelines.logs.processors: `+
		`no processor of type conditions comes after the processor "rules/raw": its rules turn no condition and are not counted`)
	parsed.Warnings = nil
	require.Empty(t, cmp.Diff(want, parsed,
		cmpopts.IgnoreFields(condition.Rule{}, "InstanceOf"), cmp.AllowUnexported(rulesConfig{})))
	require.Equal(t, slog.LevelDebug, parsed.Service.Telemetry.Logs.SlogLevel())
	require.Len(t, parsed.Conditions.Hash, 32)
}

func TestMinimalFile(t *testing.T) {
	parsed := parse(t, minimal)
	require.Equal(t, config.DefaultService(), parsed.Service)
	require.Empty(t, parsed.Warnings)
	require.Equal(t, map[pipeline.ID]pipeline.Config{
		{Type: "dedupe"}: &plainConfig{}, {Type: "rules"}: &rulesConfig{}, {Type: "conditions"}: &plainConfig{},
	}, parsed.Graph.Processors)
	require.Equal(t, map[pipeline.ID]pipeline.Config{
		{Type: "kmsg"}: &ringConfig{Lookback: time.Minute},
	}, parsed.Graph.Receivers)
}

func TestEmptySectionsLeaveTheDefaults(t *testing.T) {
	for _, section := range []string{"conditions: \n", "processors: {}\n", "conditions: {}\nprocessors: null\n"} {
		require.Equal(t, parse(t, minimal).Graph, parse(t, section+minimal).Graph)
	}
	parsed := parse(t, strings.Replace(minimal, "{pipelines", "{host: , telemetry: {logs: }, socket: , pipelines", 1))
	require.Equal(t, config.DefaultService(), parsed.Service)
}

func TestPipelineWithoutProcessors(t *testing.T) {
	parsed := parse(t, strings.Replace(minimal, "exporters: [", "processors: [], exporters: [", 1))
	require.Empty(t, parsed.Graph.Processors)
	require.Empty(t, parsed.Graph.Pipelines[0].Processors)
}

func TestMetricsPipeline(t *testing.T) {
	const wiring = "exporters: {console: , prometheus: }\n" +
		"service: {telemetry: {naming: both}, pipelines: {logs: {receivers: [kmsg], exporters: [console]}, metrics: {"
	with := parse(t, "receivers: {kmsg: , stats: }\n"+wiring+"receivers: [stats], exporters: [prometheus]}}}\n")
	require.Equal(t, pipeline.NamingBoth, with.Service.Telemetry.Naming)
	require.Len(t, with.Graph.Pipelines[1].Receivers, 1)
	require.Empty(t, with.Graph.Pipelines[1].Processors)

	without := parse(t, "receivers: {kmsg: }\n"+wiring+"exporters: [prometheus]}}}\n")
	require.Empty(t, without.Graph.Pipelines[1].Receivers)
}

func TestPipelinesShareDefaultProcessors(t *testing.T) {
	parsed := parse(t, strings.Replace(minimal, "{logs:", "{logs/2: {receivers: [kmsg], exporters: [console]}, logs:", 1))
	require.Equal(t, parsed.Graph.Pipelines[0].Processors, parsed.Graph.Pipelines[1].Processors)
	require.Len(t, parsed.Graph.Processors, 3)
}

func TestDefaultProcessorNotBuiltIn(t *testing.T) {
	without := factories()
	delete(without.Processors, "conditions")
	_, err := config.Parse([]byte(minimal), "c.yaml", without)
	require.EqualError(t, err, `c.yaml:4:23: service.pipelines.logs: the processor "conditions", which a pipeline has by default, is not built in: list the processors it is to have`)
}

func TestDefaultProcessorThatNeedsConfiguration(t *testing.T) {
	needing := factories()
	needing.Processors["rules"] = pipeline.ProcessorFactory{DefaultConfig: func() pipeline.Config { return &endpointConfig{} }}
	_, err := config.Parse([]byte(minimal), "c.yaml", needing)
	require.EqualError(t, err, `c.yaml:1:1: processors.rules.endpoint: "" is no HOST:PORT`)
}

func TestConfigThatCannotBeDecodedInto(t *testing.T) {
	broken := factories()
	broken.Exporters["console"] = pipeline.ExporterFactory{DefaultConfig: func() pipeline.Config { return byValue{} }}
	_, err := config.Parse([]byte(minimal), "c.yaml", broken)
	require.EqualError(t, err, `c.yaml:3:13: exporters.console: decode exporters.console: want a pointer to decode into, not config_test.byValue`)
}

type byValue struct{}

func (byValue) Validate() error { return nil }

func TestSameConditionInFileAndPack(t *testing.T) {
	parsed := parse(t, `conditions: {LinkDown: {healthy: {reason: Fine, message: links are up}}}
processors: {rules: {packs: [a/LinkDown/links are up, b/LinkDown/links are up]}}`+minimal)
	require.Len(t, parsed.Conditions.Types, 1)
	require.Empty(t, parsed.Warnings)
}

func TestWarnings(t *testing.T) {
	parsed := parse(t, `conditions:
  Used: {healthy: {reason: Fine}}
  Idle: {healthy: {reason: Fine}}
  Observed: {healthy: {reason: Fine}}
processors:
  rules:
    rules:
      - {id: a, pattern: x, condition: Used}
      - {id: b, pattern: x, condition: Used, observe: true}
      - {id: c, pattern: x, condition: Observed, observe: true}
      - {id: d, pattern: .*}`+minimal)
	require.EqualError(t, parsed.Warnings, `c.yaml:3:3: conditions.Idle: no rule uses the condition Idle: it stays healthy
c.yaml:4:3: conditions.Observed: all rules of the condition Observed are in mode observe: it stays healthy
c.yaml:11:17: processors.rules.rules[3].pattern: matches every line`)
}

func TestRulesThatNothingJudges(t *testing.T) {
	const rules = "processors: {rules: {rules: [{id: r, pattern: x}]}, conditions/2: }"
	const warning = `c.yaml:4:49: service.pipelines.logs.processors: no processor of type conditions comes after the processor "rules": its rules turn no condition and are not counted`
	for processors, want := range map[string]string{
		"[rules, conditions/2]":             "",
		"[conditions/2, rules]":             warning,
		"[conditions/2, rules, conditions]": "",
	} {
		parsed := parse(t, rules+strings.Replace(minimal, "exporters: [", "processors: "+processors+", exporters: [", 1))
		require.Equal(t, want, parsed.Warnings.Error(), processors)
	}
}

func TestHash(t *testing.T) {
	text := "processors: {rules: {packs: [a/A/x], rules: [{id: r, pattern: x}]}}" + minimal
	first := parse(t, text).Conditions.Hash
	require.Equal(t, first, parse(t, text).Conditions.Hash, "the same text and packs")
	require.NotEqual(t, first, parse(t, text+"# more\n").Conditions.Hash, "another text")
	t.Setenv("OTELNPD_TEST_PACK", "a/A/x")
	fromEnv := strings.Replace(text, "a/A/x", "'${env:OTELNPD_TEST_PACK}'", 1)
	first = parse(t, fromEnv).Conditions.Hash
	t.Setenv("OTELNPD_TEST_PACK", "a/A/y")
	require.NotEqual(t, first, parse(t, fromEnv).Conditions.Hash, "the same text, another condition in the pack")
	t.Setenv("OTELNPD_TEST_PACK", "b/A/x")
	require.NotEqual(t, first, parse(t, fromEnv).Conditions.Hash, "the same text, another rule in the pack")
}

// What a variable holds may be a secret, whoever finds that it is wrong.
func TestErrorsHideTheEnvironment(t *testing.T) {
	t.Setenv("OTELNPD_TEST_SECRET", "hush")
	_, err := config.Parse([]byte(`receivers: {kmsg: {buffer: '${env:OTELNPD_TEST_SECRET}', lookback: '${env:OTELNPD_TEST_SECRET}'}}
exporters: {prometheus: {endpoint: '${env:OTELNPD_TEST_SECRET}'}}
`), "x.yaml", factories())
	require.ErrorContains(t, err, `x.yaml:1:20: receivers.kmsg.buffer: want a whole number, not the value of "${env:OTELNPD_TEST_SECRET}"`)
	require.ErrorContains(t, err, `x.yaml:2:26: exporters.prometheus.endpoint: the value of "${env:OTELNPD_TEST_SECRET}" is no HOST:PORT`)
	require.NotContains(t, err.Error(), "hush")
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	_, err := config.Load(filepath.Join(folder, "none.yaml"), factories())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "read the configuration: open "+folder+"/none.yaml: ")
	_, err = config.Load(folder, factories())
	require.ErrorContains(t, err, folder+": it is no regular file")
	fifo := filepath.Join(folder, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	_, err = config.Load(fifo, factories())
	require.ErrorContains(t, err, fifo+": it is no regular file", "at once, without a writer")

	path := filepath.Join(folder, "otelnpd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("# long\n", 200_000)), 0o600))
	_, err = config.Load(path, factories())
	require.EqualError(t, err, path+":1:1: has 1048577 bytes, at most 1048576 are allowed")
}

func TestDefaultIsReadAsWritten(t *testing.T) {
	parsed, err := config.Parse(config.Default(), "default.yaml", defaultFactories())
	require.NoError(t, err)
	require.Empty(t, parsed.Warnings)
	require.Equal(t, config.DefaultService(), parsed.Service)
	require.Len(t, parsed.Graph.Receivers, 4)
	require.Len(t, parsed.Graph.Processors, 3)
	require.Len(t, parsed.Graph.Exporters, 3)

	own := config.Default()
	own[0] = 'x'
	require.NotEqual(t, own, config.Default(), "each caller has a copy of its own")
}

// What the default shows in comments of the service section is what holds there.
func TestDefaultShowsTheDefaults(t *testing.T) {
	text, service, found := strings.Cut(string(config.Default()), "service:\n")
	require.True(t, found)
	uncommented := regexp.MustCompile(`(?m)^( *)# `).ReplaceAllString(service, "$1")
	require.NotEqual(t, service, uncommented)
	// What the pipeline that is commented out names is, too.
	text = regexp.MustCompile(`(?m)^  # (journald/services|rules/services):.*`).ReplaceAllString(text, "  $1: {}")
	parsed, err := config.Parse([]byte(text+"service:\n"+uncommented), "default.yaml", defaultFactories())
	require.NoError(t, err)
	require.Equal(t, config.DefaultService(), parsed.Service)
}

func TestServiceIsDocumented(t *testing.T) {
	strictyamltest.CheckStruct(t, &config.Service{})
	strictyamltest.CheckStruct(t, config.File{})
}

// node-problem-detector lets its monitors name conditions of Kubernetes itself.
func TestReservedConditionsCanBeAllowed(t *testing.T) {
	const text = `conditions:
  Ready: {healthy: {reason: Fine}}
receivers: {kmsg: }
processors: {rules: {rules: [{id: a, pattern: x, condition: Ready}]}}
exporters: {console: }
service: {pipelines: {logs: {receivers: [kmsg], exporters: [console]}}}
`
	_, err := config.Parse([]byte(text), "c.yaml", factories())
	require.ErrorContains(t, err, "the condition Ready is reserved")
	loaded, err := config.Parse([]byte(text), "c.yaml", factories(), config.AllowReserved())
	require.NoError(t, err)
	require.True(t, loaded.Conditions.Types[0].Reserved)
	require.Equal(t, "c.yaml:2:3: conditions.Ready: the condition Ready is reserved, since it belongs to Kubernetes itself: "+
		"it is not told to the Node", loaded.Warnings.Error())
}
