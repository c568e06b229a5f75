package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

// A link that is called log-counter is node-problem-detector's plugin, here on the
// kernel's log.
func TestLogCounter(t *testing.T) {
	log, tag := kernellog.Open(t), kernellog.Tag()
	link := filepath.Join(t.TempDir(), "log-counter")
	require.NoError(t, os.Symlink(binary, link))
	run := func(args ...string) agent.Result {
		return agent.Run(t, link, "", append([]string{"--lookback=20m", "--count=3", "--pattern=" + tag + " lost .*"}, args...)...)
	}
	for range 3 {
		log.Write(t, tag+" lost eth0")
	}
	log.Write(t, tag+" found eth0")
	found := agent.Result{ExitCode: 1, Stdout: "Found 3 matching logs, which meets the threshold of 3\n"}
	require.Equal(t, found, run())
	require.Equal(t, found, run("--journald-source=kernel", "--log-path="+t.TempDir()))
	require.Equal(t, agent.Result{}, run("--revert-pattern="+tag+" found .*"))
	require.Equal(t, agent.Result{}, run("--count=4"))
	missing := run("--journald-source=kubelet", "--log-path="+t.TempDir())
	require.Equal(t, 2, missing.ExitCode)
	require.Contains(t, missing.Stdout, "no journal is written there since the boot")
	require.Empty(t, missing.Stderr)
}
