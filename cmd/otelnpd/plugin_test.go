package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tryPlugins runs `plugin test` on a file.
func tryPlugins(t *testing.T, name, text string) (code int, stdout, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	var out, errs bytes.Buffer
	code = execute(context.Background(), []string{"plugin", "test", path}, nil, &out, &errs)
	return code, out.String(), errs.String()
}

const pluginYAML = `
conditions:
  Clock: {healthy: {reason: ClockIsRight}}
  Other: {healthy: {reason: Fine}}
receivers:
  plugin:
    checks:
      - {id: disks, path: /bin/echo, args: ['{"status": "ok", "instance": "sda", "message": "new"}'], output: json, reason: Worn}
      - {id: clock, path: /bin/sh, args: [-c, 'echo off by 3 s; exit CODE'], reason: ClockIsOff, condition: Clock}
  plugin/more: {checks: [{id: more, path: /bin/true, reason: Broken}]}
exporters: {console: {}}
service: {pipelines: {logs: {receivers: [plugin, plugin/more], processors: [conditions], exporters: [console]}}}
`

func TestPluginTest(t *testing.T) {
	for code, want := range map[string]struct {
		exit    int
		verdict string
		stands  string
	}{
		"0": {0, "ok       TOOK  -           off by 3 s", "Clock      False    ClockIsRight  -"},
		"1": {2, "problem  TOOK  ClockIsOff  off by 3 s", "Clock      True    ClockIsOff  off by 3 s"},
		"2": {3, "unknown  TOOK  ClockIsOff  off by 3 s", "Clock      Unknown  ClockIsOff  off by 3 s"},
	} {
		t.Run(code, func(t *testing.T) {
			exit, out, errs := tryPlugins(t, "a.yaml", strings.ReplaceAll(pluginYAML, "CODE", code))
			require.Equal(t, want.exit, exit, errs)
			lines := strings.Split(regexp.MustCompile(`[\d.]+m?s `).ReplaceAllString(out, "TOOK "), "\n")
			squeeze := func(line string) string { return strings.Join(strings.Fields(line), " ") }
			require.Len(t, lines, 8, out)
			require.Equal(t, squeeze("clock - "+want.verdict), squeeze(lines[1]))
			require.Equal(t, "disks sda ok TOOK - new", squeeze(lines[2]))
			require.Equal(t, "more - ok TOOK - -", squeeze(lines[3]))
			require.Equal(t, "CONDITION STATUS REASON MESSAGE", squeeze(lines[5]))
			require.Equal(t, squeeze(want.stands), squeeze(lines[6]), "and no other condition")
		})
	}
}

func TestPluginTestOfNPD(t *testing.T) {
	exit, out, errs := tryPlugins(t, "a.json", `{"plugin": "custom", "source": "s", "pluginConfig": {"timeout": "300ms"},
"conditions": [{"type": "Clock", "reason": "ClockIsRight", "message": "m"}],
"rules": [{"type": "permanent", "condition": "Clock", "reason": "Off", "path": "bin/sh", "args": ["-c", "exec sleep 100"]},
{"type": "temporary", "reason": "Gone", "path": "nonexistent"}]}`)
	require.Equal(t, 3, exit)
	require.Contains(t, errs, `rules[1].path: "nonexistent" does not exist`)
	require.Contains(t, out, `Timeout when running plugin "bin/sh": state - signal: killed. output - ""`)
	require.Contains(t, out, "Clock      Unknown  ClockIsRight")
	require.Contains(t, out, "plugin/s is degraded: s/Gone: nonexistent cannot be started")
}

func TestPluginTestOfFilesThatCannotBeUsed(t *testing.T) {
	exit, _, errs := tryPlugins(t, "a.yaml", "receivers: {plugin: {checks: [{}]}}\n")
	require.Equal(t, 1, exit)
	require.Contains(t, errs, "receivers.plugin.checks[0].path: is missing")
	exit, _, errs = tryPlugins(t, "a.json", `{"plugin": "kmsg"}`)
	require.Equal(t, 1, exit)
	require.Contains(t, errs, `plugin: "kmsg" is no plugin: write "custom"`)
	exit, _, errs = tryPlugins(t, "a.yaml", "receivers: {kmsg: {}}\nexporters: {console: {}}\nprocessors: {rules: {packs: [kernel]}}\nservice: {pipelines: {logs: {receivers: [kmsg], exporters: [console]}}}\n")
	require.Equal(t, 1, exit)
	require.Contains(t, errs, "has no plugins: write a receiver of type plugin with checks")
	var out bytes.Buffer
	require.Equal(t, 1, execute(context.Background(), []string{"plugin", "test"}, nil, &out, &out))
	require.Contains(t, out.String(), "write one FILE")
}

// Who interrupts it leaves no command behind.
func TestPluginTestIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	text := strings.ReplaceAll(pluginYAML, "echo off by 3 s; exit CODE", "echo $$ > "+dir+"/pid; exec sleep 1000")
	text = strings.ReplaceAll(text, "reason: ClockIsOff", "timeout: 1h, reason: ClockIsOff")
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			if pid, _ := os.ReadFile(dir + "/pid"); len(pid) > 0 { // the shell makes the file before it writes
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
				return
			}
		}
	}()
	exit, _, errs := tryPlugins(t, "a.yaml", text)
	require.Equal(t, 1, exit)
	require.Contains(t, errs, "interrupted: the commands that were running have been ended")
	pid, err := os.ReadFile(dir + "/pid")
	require.NoError(t, err)
	require.NoDirExists(t, "/proc/"+strings.TrimSpace(string(pid)))
}
