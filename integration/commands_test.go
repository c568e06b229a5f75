package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

func TestValidate(t *testing.T) {
	defaults := agent.Run(t, binary, "", "config", "default")
	require.Zero(t, defaults.ExitCode, defaults.Stderr)
	result := agent.Run(t, binary, defaults.Stdout, "validate", "--config", "-")
	require.Zero(t, result.ExitCode, result.Stderr)
	require.Contains(t, result.Stdout, "valid")

	path := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`receivers:
  kmsg: {lookback: sometimes}
exporters:
  console: {colour: never}
  prometheus: {endpoint: '127.0.0.1'}
processors:
  rules: {packs: [kernel]}
service:
  pipelines:
    logs: {receivers: [kmsg], exporters: [console, prometheus]}
`), 0o600))
	for _, command := range []string{"validate", "run"} {
		result := agent.Run(t, binary, "", command, "--config", path)
		require.Equal(t, 1, result.ExitCode, result.Stderr)
		require.Empty(t, result.Stdout)
		for _, at := range []string{":2:10: ", ":4:13: ", ":5:16: "} { // all at once
			require.Contains(t, result.Stderr, path+at)
		}
		require.Contains(t, result.Stderr, "sometimes")
		require.NotContains(t, result.Stderr, path+":1:1", "nothing else is wrong")
	}
}

func TestVersion(t *testing.T) {
	result := agent.Run(t, binary, "", "version", "--output", "json")
	require.Zero(t, result.ExitCode, result.Stderr)
	var version map[string]string
	require.NoError(t, json.Unmarshal([]byte(result.Stdout), &version))
	require.Equal(t, runtime.Version(), version["go"])
	require.Equal(t, "linux", version["os"])
	require.Equal(t, runtime.GOARCH, version["arch"])
	require.NotEmpty(t, version["version"])
	require.NotEmpty(t, version["commit"])
	text := agent.Run(t, binary, "", "version")
	require.Contains(t, text.Stdout, version["version"])
}

func TestOperatorsCommands(t *testing.T) {
	log := kernellog.Open(t)
	a := agent.StartReady(t, binary, agent.NewSettings(t))
	run := func(args ...string) agent.Result {
		return agent.Run(t, binary, "", append(args, "--socket", a.Socket)...)
	}
	health := run("healthcheck")
	require.Equal(t, agent.Result{Stdout: "ok\n"}, health)

	log.Write(t, hung)
	a.Console.WaitFor(t, "KernelDeadlock", agent.Turned("KernelDeadlock", "True", "DockerHung"))
	list := run("conditions", "list")
	require.Zero(t, list.ExitCode, list.Stderr)
	require.Regexp(t, `(?m)^KernelDeadlock +True .*DockerHung`, list.Stdout)
	require.Regexp(t, `(?m)^ReadonlyFilesystem +False `, list.Stdout)

	cleared := run("conditions", "clear", "KernelDeadlock")
	require.Zero(t, cleared.ExitCode, cleared.Stderr)
	a.Console.WaitFor(t, "KernelDeadlock cleared", agent.Turned("KernelDeadlock", "False", "KernelHasNoDeadlock"))
	require.Equal(t, "False", a.Conditions(t)["KernelDeadlock"].Status)
	require.Regexp(t, `(?m)^KernelDeadlock +False `, run("conditions", "list").Stdout)
	require.Zero(t, a.Sum(t, "problem_gauge", map[string]string{"type": "KernelDeadlock"}))

	log.Write(t, hung)
	require.Eventually(t, func() bool {
		return len(a.Console.Events(t, agent.Turned("KernelDeadlock", "True", "DockerHung"))) == 2
	}, patience, tick, "the next match brings it back")

	unknown := run("conditions", "clear", "NoSuchCondition")
	require.Equal(t, 1, unknown.ExitCode)
	require.Contains(t, unknown.Stderr, "NoSuchCondition")
}

func TestCommandsWithoutAnAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "none.sock")
	for _, command := range []string{"healthcheck", "conditions list", "conditions clear KernelDeadlock"} {
		result := agent.Run(t, binary, "", append(strings.Fields(command), "--socket", socket)...)
		require.Equal(t, 1, result.ExitCode, command)
		require.Contains(t, result.Stderr, socket, command)
	}
}
