package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
)

// A log monitor of node-problem-detector on a text file: the last groups of its
// expressions are time and message, its skipList leaves lines out, its lookback reaches
// back, patterns span lines, and a rotation loses nothing.
func TestFilelogNPD(t *testing.T) {
	dir := t.TempDir()
	path, monitor := filepath.Join(dir, "messages"), filepath.Join(dir, "monitor.json")
	require.NoError(t, os.WriteFile(monitor, fmt.Appendf(nil, `{
		"plugin": "filelog", "logPath": %q, "lookback": "5m", "bufferSize": 3, "source": "disk-monitor", "skipList": [" audit:"],
		"pluginConfig": {"timestamp": "^(.{15})", "message": "kernel: (\\[.*\\] )?(.*)", "timestampFormat": "Jan _2 15:04:05"},
		"conditions": [{"type": "DiskBad", "reason": "DiskGood", "message": "the disk is good"}],
		"rules": [
			{"type": "temporary", "reason": "Reset", "pattern": "link down\\nlink up"},
			{"type": "permanent", "condition": "DiskBad", "reason": "BadBlocks", "pattern": "\\d+ unreadable sectors"}
		]}`, path), 0o600))
	write := func(ago time.Duration, text string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = fmt.Fprintf(f, "%s node-1 %s\n", time.Now().Add(-ago).Format(time.Stamp), text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	write(10*time.Minute, "kernel: 1 unreadable sectors")                        // the lookback does not reach it
	write(time.Minute, "kernel: audit: 2 unreadable sectors")                    // it is skipped
	write(time.Minute, "app: 3 unreadable sectors")                              // it has no message
	write(time.Minute, "kernel: [    1.000000] link down")                       // together with the next
	require.NoError(t, os.WriteFile(path+".0", []byte("another file\n"), 0o600)) // it is nobody's
	settings := agent.NewSettings(t)
	a := agent.StartNPD(t, binary, settings, "--config.system-log-monitor="+monitor, "--enable-k8s-exporter=false")
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Metrics+"/metrics", nil))
	a.WaitReady(t, a.Ready())
	count := func(reason string) float64 { return a.Sum(t, "problem_counter", map[string]string{"reason": reason}) }
	require.Equal(t, "False", a.Conditions(t)["DiskBad"].Status)

	write(0, "kernel: [    2.000000] link up")
	require.Eventually(t, func() bool { return count("Reset") == 1 }, patience, tick)
	require.Equal(t, "False", a.Conditions(t)["DiskBad"].Status)
	require.Zero(t, count("BadBlocks"))

	require.NoError(t, os.Rename(path, path+".1"))
	write(0, "kernel: 4 unreadable sectors")
	require.Eventually(t, func() bool { return a.Conditions(t)["DiskBad"].Status == "True" }, patience, tick)
	condition := a.Conditions(t)["DiskBad"]
	require.Equal(t, "BadBlocks", condition.Reason)
	require.Equal(t, "4 unreadable sectors", condition.Message)
	require.InDelta(t, 1, count("BadBlocks"), 0)
}
