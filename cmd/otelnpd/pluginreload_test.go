package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reload that changes a check ends the command of the old one, and runs the new one;
// one that changes something else lets it run on.
func TestReloadOfPlugins(t *testing.T) {
	dir := t.TempDir()
	a := startAgent(t, func(config string) string {
		config = strings.Replace(config, "receivers:\n", `receivers:
  plugin: {checks: [{id: check, path: /bin/sh, args: [-c, 'echo $$ > `+dir+`/old; exec sleep 1000'], timeout: 1h, reason: Broken}]}
`, 1)
		return strings.Replace(config, "[kmsg]", "[kmsg, plugin]", 1)
	})
	old := awaitPID(t, dir, "old")

	a.edit(t, "packs: [kernel]", "packs: [kernel, docker]")
	reloaded := otelnpd(t, "", "reload", "--socket", a.socket)
	require.Zero(t, reloaded.code, reloaded.stderr)
	require.DirExists(t, "/proc/"+old, "its receiver has not changed")

	a.edit(t, dir+"/old", dir+"/new")
	reloaded = otelnpd(t, "", "reload", "--socket", a.socket)
	require.Zero(t, reloaded.code, reloaded.stderr)
	recent := awaitPID(t, dir, "new")
	require.NoDirExists(t, "/proc/"+old)
	require.DirExists(t, "/proc/"+recent)

	a.end(t)
	require.NoDirExists(t, "/proc/"+recent)
}

func awaitPID(t *testing.T, dir, name string) (pid string) {
	t.Helper()
	eventually(t, "the command "+name, func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		pid = strings.TrimSpace(string(text))
		return strings.HasSuffix(string(text), "\n")
	})
	return pid
}
