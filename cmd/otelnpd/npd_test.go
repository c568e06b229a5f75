package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// monitor writes a system log monitor of node-problem-detector that reads path.
func monitor(t *testing.T, path, conditionType string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kernel-monitor.json")
	require.NoError(t, os.WriteFile(file, []byte(`{
		"plugin": "kmsg", "logPath": "`+path+`", "lookback": "100000h", "bufferSize": 10, "source": "kernel-monitor",
		"conditions": [{"type": "`+conditionType+`", "reason": "AllIsWell", "message": "nothing hangs"}],
		"rules": [
			{"type": "temporary", "reason": "TaskHung", "pattern": "task \\S+:\\w+ blocked.*"},
			{"type": "permanent", "condition": "`+conditionType+`", "reason": "DockerHung", "pattern": "task docker:\\w+ blocked.*"}
		]}`), 0o600))
	return file
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func TestArgumentsByTheNameOfTheProgram(t *testing.T) {
	require.Equal(t, []string{"run"}, arguments([]string{"/usr/bin/otelnpd", "run"}))
	require.Equal(t, []string{"node-problem-detector", "--port=0"}, arguments([]string{"/node-problem-detector", "--port=0"}))
	require.Equal(t, []string{"log-counter", "--count=1"}, arguments([]string{"/home/kubernetes/bin/log-counter", "--count=1"}))
}

func TestNPDTellsItsFlagsAndVersion(t *testing.T) {
	help := otelnpd(t, "", "node-problem-detector", "--help")
	require.Zero(t, help.code, help.stderr)
	for _, flag := range []string{"--config.system-log-monitor", "--apiserver-wait-timeout", "--prometheus-port"} {
		require.Contains(t, help.stdout, flag)
	}
	version := otelnpd(t, "", "node-problem-detector", "--version")
	require.Zero(t, version.code)
	require.Equal(t, "otelnpd dev, in place of node-problem-detector\n", version.stdout)
}

func TestNPDTellsAllThatIsWrong(t *testing.T) {
	flags := otelnpd(t, "", "node-problem-detector", "--prot=1", "--port=x")
	require.Equal(t, 1, flags.code)
	require.Contains(t, flags.stderr, `did you mean --port?`)
	require.Contains(t, flags.stderr, "--port: ")
	require.Contains(t, flags.stderr, "Error: the command line cannot be used")

	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"plugin": "kmsg",}`), 0o600))
	file := otelnpd(t, "", "node-problem-detector", "--config.system-log-monitor="+bad+",/does/not/exist.json")
	require.Equal(t, 1, file.code)
	require.Contains(t, file.stderr, bad+":1:")
	require.Contains(t, file.stderr, "/does/not/exist.json")
}

func TestConvertPrintsWhatValidates(t *testing.T) {
	file := monitor(t, "/dev/kmsg", "KernelDeadlock")
	got := otelnpd(t, "", "config", "convert", "--", "--config.system-log-monitor="+file, "--hostname-override=n1")
	require.Zero(t, got.code, got.stderr)
	require.Empty(t, got.stderr)
	require.Contains(t, got.stdout, "kernel-monitor/TaskHung")

	checked := otelnpd(t, got.stdout, "validate", "--config", "-")
	require.Zero(t, checked.code, checked.stderr)
	require.Contains(t, checked.stdout, "is valid (pipelines: 2, rules: 3, conditions: 1)")
	require.Empty(t, checked.stderr)
}

func TestConvertTellsWhatYAMLCannotCarry(t *testing.T) {
	file := monitor(t, "/dev/kmsg", "MemoryPressure")
	got := otelnpd(t, "", "config", "convert", "--", "--config.system-log-monitor="+file)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "Not carried over:")
	require.Contains(t, got.stderr, "MemoryPressure")
	checked := otelnpd(t, got.stdout, "validate", "--config", "-")
	require.Zero(t, checked.code, checked.stderr)
}

func TestConvertRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"x", "--"}, {"--", "--version"}, {"--", "--port=1"}} {
		got := otelnpd(t, "", append([]string{"config", "convert"}, args...)...)
		require.Equal(t, 1, got.code, args)
		require.Contains(t, got.stderr, "Error: ", args)
	}
}

// The same command line tells the same, run as it is and as YAML. A reserved
// condition goes on making its Events.
func TestNPDRuns(t *testing.T) {
	for _, conditionType := range []string{"KernelDeadlock", "MemoryPressure"} {
		t.Run(conditionType, func(t *testing.T) {
			dir := t.TempDir()
			fifo, socket := filepath.Join(dir, "kmsg"), filepath.Join(dir, "s")
			require.NoError(t, unix.Mkfifo(fifo, 0o600))
			t.Setenv(socketVariable, socket)
			a := &liveAgent{fifo: fifo, socket: socket, code: make(chan int, 1), stdout: &pipelinetest.Output{}, stderr: &pipelinetest.Output{}}
			ctx, stop := context.WithCancel(t.Context())
			args := []string{
				"node-problem-detector", "-v=2", "--logtostderr", "--config.system-log-monitor=" + monitor(t, fifo, conditionType),
				"--enable-k8s-exporter=false", "--port=0", "--prometheus-port=" + freePort(t),
			}
			go func() { a.code <- execute(ctx, args, strings.NewReader(""), a.stdout, a.stderr) }()
			eventually(t, "the agent to run", func() bool { return strings.Contains(a.stderr.String(), "otelnpd is running") })
			a.write(t, "6,1,1000000,-;Linux version 6.12.0\n4,2,2000000,-;task docker:7 blocked for more than 120 seconds.\n")
			eventually(t, "the condition", func() bool { return strings.Contains(a.stdout.String(), conditionType+"=True") })
			require.Equal(t, conditionType == "MemoryPressure", strings.Contains(a.stderr.String(), "Kubernetes itself"))
			stop()
			require.Zero(t, <-a.code, a.stderr.String())
			require.Regexp(t, `WARN +TaskHung .* task docker:7 blocked`, a.stdout.String())
		})
	}
}
