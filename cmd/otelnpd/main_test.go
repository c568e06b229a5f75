package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/config"
)

func TestMain(m *testing.M) {
	// Nothing of a test is kept where the machine's own agent keeps its state.
	_ = os.Setenv(stateDirVariable, config.StateDirNone)
	goleak.VerifyTestMain(m)
}

// result is what a command line did.
type result struct {
	code           int
	stdout, stderr string
}

func otelnpd(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestVersion(t *testing.T) {
	text := otelnpd(t, "", "version")
	require.Zero(t, text.code)
	require.Contains(t, text.stdout, "otelnpd dev (commit unknown, go1.")

	asJSON := otelnpd(t, "", "version", "--output", "json")
	require.Zero(t, asJSON.code)
	var info map[string]string
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &info))
	require.Equal(t, "dev", info["version"])

	bad := otelnpd(t, "", "version", "--output", "xml")
	require.Equal(t, 1, bad.code)
	require.Contains(t, bad.stderr, "write one of text, json")
}

func TestHelpShowsExamples(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"validate", "--help"}, {"config", "default", "--help"}, {"config", "schema", "--help"},
		{"conditions", "clear", "--help"}, {"conditions", "list", "--help"}, {"healthcheck", "--help"}, {"version", "--help"}, {"config", "convert", "--help"}, {"uninstall", "--help"},
		{"rules", "list", "--help"}, {"rules", "silence", "--help"}, {"rules", "unsilence", "--help"}, {"reload", "--help"}, {"state", "show", "--help"}} {
		got := otelnpd(t, "", args...)
		require.Zero(t, got.code, args)
		require.Contains(t, got.stdout, "Examples:", args)
	}
}

func TestHelpTellsExitCodes(t *testing.T) {
	for command, want := range map[string]string{
		"": "exits with 0", "run": "128", "validate": "Exit 1", "healthcheck": "1 if it does not", "reload": "exit code is 1",
	} {
		require.Contains(t, otelnpd(t, "", append(strings.Fields(command), "--help")...).stdout, want, command)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		got := otelnpd(t, "", "completion", shell)
		require.Zero(t, got.code)
		require.Contains(t, got.stdout, "otelnpd")
	}
}

func TestUnknownCommandAndFlag(t *testing.T) {
	got := otelnpd(t, "", "rnu")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, `unknown command "rnu"`)
	require.Contains(t, got.stderr, "run", "the nearest command is offered")

	for group, want := range map[string]string{
		"conditions": "write one of clear, list", "rules": "write one of list, silence, unsilence", "state": "write one of show",
		"config": "write one of convert, default, schema", "completion": "write one of bash, fish, powershell, zsh",
	} {
		got = otelnpd(t, "", group, "nonsense")
		require.Equal(t, result{1, "", `Error: unknown command "nonsense" for "otelnpd ` + group + `": ` + want + "\n"}, got)
		help := otelnpd(t, "", group)
		require.Zero(t, help.code)
		require.Contains(t, help.stdout, "Available Commands:")
	}
	require.Contains(t, otelnpd(t, "", "rules", "slience", "kernel/docker-hung").stderr, `did you mean "silence"?`)

	got = otelnpd(t, "", "run", "--confg", "x")
	require.Equal(t, 1, got.code)
	require.Equal(t, "Error: unknown flag: --confg: did you mean --config?\n", got.stderr)
	require.Equal(t, "Error: unknown flag: --nonsense: otelnpd run --help shows all\n", otelnpd(t, "", "run", "--nonsense").stderr)
	require.Equal(t, "Error: unknown flag: --port: write node-problem-detector's flags after --\n", otelnpd(t, "", "config", "convert", "--port=0").stderr)
}

func TestDefaultConfigurationIsValid(t *testing.T) {
	printed := otelnpd(t, "", "config", "default")
	require.Zero(t, printed.code)

	got := otelnpd(t, printed.stdout, "validate", "--config", "-")
	require.Zero(t, got.code, got.stderr)
	require.Regexp(t, `^\(standard input\) is valid \(pipelines: 2, rules: \d+, conditions: 11\)\n$`, got.stdout)
	require.Empty(t, got.stderr, "the default gives no warning")
}

func TestValidateTellsEveryErrorWithItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`receivers:
  kmsg: {lookbak: boot}
processors:
  rules:
    rules:
      - {id: a, pattern: '(', reason: Broken}
exporters:
  consle: {}
service:
  pipelines:
    logs: {receivers: [kmsg], exporters: [console]}
`), 0o600))

	got := otelnpd(t, "", "validate", "--config", path)

	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, path+":2:10: ", "unknown key")
	require.Contains(t, got.stderr, "lookback", "the nearest key")
	require.Contains(t, got.stderr, path+":6:", "a pattern that does not compile")
	require.Contains(t, got.stderr, path+":8:3: ", "an unknown type")
	require.Contains(t, got.stderr, "console", "the nearest type")
}

// Of the exporters that are built in, otlp alone sends lines as they are.
func TestValidateWarnsOfLinesThatNobodyGets(t *testing.T) {
	validated := func(exporter string) result {
		return otelnpd(t, "receivers: {kmsg: }\nprocessors: {sample: }\nexporters: {"+exporter+"}\n"+
			"service: {pipelines: {logs: {receivers: [kmsg], processors: [sample], exporters: ["+strings.Split(exporter, ":")[0]+"]}}}\n",
			"validate", "--config", "-")
	}
	for _, exporter := range []string{"console: ", "kubernetes: ", "prometheus: ", "status: "} {
		got := validated(exporter)
		require.Zero(t, got.code, got.stderr)
		require.Contains(t, got.stderr, "service.pipelines.logs: no rules stand in the pipeline, and none of its exporters sends lines as they are", exporter)
	}
	require.NotContains(t, validated("otlp: {endpoint: 'http://127.0.0.1:1'}").stderr, "no rules stand in the pipeline")
}

func TestValidateNeedsAFile(t *testing.T) {
	require.Contains(t, otelnpd(t, "", "validate").stderr, `required flag(s) "config" not set`)
	monitor := filepath.Join(t.TempDir(), "kernel-monitor.json")
	require.NoError(t, os.WriteFile(monitor, []byte(`{"plugin": "kmsg"}`), 0o600))
	require.Contains(t, otelnpd(t, "", "validate", "--config", monitor).stderr, "if it is a file of node-problem-detector, see otelnpd config convert --help")
	missing := otelnpd(t, "", "validate", "--config", "/does/not/exist.yaml")
	require.Contains(t, missing.stderr, "no such file or directory: name a file that this user may read")
	require.NotContains(t, missing.stderr, "named above")
	require.Equal(t, 1, missing.code)
	require.Contains(t, missing.stderr, "/does/not/exist.yaml")
}

// agentCommands are those that ask a running agent.
func agentCommands() [][]string {
	return [][]string{
		{"healthcheck"}, {"conditions", "list"}, {"conditions", "clear", "KernelDeadlock"}, {"reload"},
		{"rules", "list"}, {"rules", "silence", "r", "--for", "1h"}, {"rules", "unsilence", "r"},
	}
}

func TestCommandsForARunningAgentSayThatNoneRuns(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "otelnpd.sock")
	for _, args := range agentCommands() {
		got := otelnpd(t, "", append(args, "--socket", socket)...)
		require.Equal(t, 1, got.code, args)
		require.Contains(t, got.stderr, "is the agent running", args)
	}
}

func TestSeveralReceiversOnOneLog(t *testing.T) {
	const file = `receivers: {kmsg: {}, kmsg/kernel: {facilities: [kern]}}
processors: {rules: {packs: [kernel]}}
exporters: {console: {}}
service: {pipelines: {logs: {receivers: [kmsg, kmsg/kernel], exporters: [console]}}}
`
	got := otelnpd(t, file, "validate", "--config", "-")
	require.Zero(t, got.code, got.stderr)

	taken := strings.Replace(file, "packs: [kernel]",
		"rules: [{id: otelnpd/kmsg-records-lost, pattern: lost, reason: Lost}]", 1)
	got = otelnpd(t, taken, "validate", "--config", "-")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, `the rule id "otelnpd/kmsg-records-lost" is used twice`)
}

func TestEmptyConfigFlagIsNoDefault(t *testing.T) {
	for _, command := range []string{"run", "validate"} {
		got := otelnpd(t, "", command, "--config", "")
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, "--config is empty")
	}
}

func TestAnAgentThatDoesNotAnswer(t *testing.T) {
	socket := takesAndNeverAnswers(t)
	for _, args := range agentCommands() {
		got := otelnpd(t, "", append(args, "--socket", socket, "--timeout", "50ms")...)
		require.Equal(t, 1, got.code, args)
		require.Contains(t, got.stderr, "has not answered within 50ms", args)
	}
}

func TestTTLIsBounded(t *testing.T) {
	for _, ttl := range []string{"1ns", "2562047h"} {
		got := otelnpd(t, `conditions: {Flaky: {healthy: {reason: Fine}, clear: {by: ttl, ttl: `+ttl+`}}}
receivers: {kmsg: {}}
processors: {rules: {rules: [{id: a, pattern: flaky, reason: IsFlaky, condition: Flaky}]}}
exporters: {console: {}}
service: {pipelines: {logs: {receivers: [kmsg], exporters: [console]}}}
`, "validate", "--config", "-")
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, "(standard input):1:64: conditions.Flaky.clear.ttl: ")
		require.Contains(t, got.stderr, "out of range: write 1s to 8784h0m0s")
	}
}
