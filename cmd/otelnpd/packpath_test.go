package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sitePack = "rules: [{id: link, pattern: link down, reason: LinkDown}]\n"

// A pack's relative path begins at the file that names it, wherever the agent is
// started, and the pack is watched there.
func TestPacksAreFoundBesideTheConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	a := startAgent(t)
	a.end(t)
	pack := filepath.Join(filepath.Dir(a.config), "site.yaml")
	require.NoError(t, os.WriteFile(pack, []byte(sitePack), 0o600))
	a.edit(t, "packs: [kernel]", "packs: [kernel, ./site.yaml]")
	require.Zero(t, otelnpd(t, "", "validate", "--config", a.config).code)
	a.start(t)
	require.Contains(t, otelnpd(t, "", "rules", "list", "--socket", a.socket).stdout, "site/link")

	require.NoError(t, os.WriteFile(pack+".new", []byte(strings.Replace(sitePack, "id: link", "id: cable", 1)), 0o600))
	require.NoError(t, os.Rename(pack+".new", pack))
	eventually(t, "the reload", func() bool { return strings.Contains(a.stderr.String(), "rules added: site/cable") })
	a.end(t)
}

// Standard input has no directory: there paths begin where the command was started.
func TestPacksOfStandardInputAreFoundInTheWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	const text = "receivers: {kmsg: {}}\nprocessors: {rules: {packs: [packs/site.yaml]}}\nexporters: {console: {}}\n" +
		"service: {pipelines: {logs: {receivers: [kmsg], exporters: [console]}}}\n"
	require.NoError(t, os.MkdirAll("packs", 0o700))
	require.NoError(t, os.WriteFile("packs/site.yaml", []byte(sitePack), 0o600))
	got := otelnpd(t, text, "validate", "--config", "-")
	require.Zero(t, got.code, got.stderr)

	require.NoError(t, os.MkdirAll("conf", 0o700))
	require.NoError(t, os.WriteFile("conf/otelnpd.yaml", []byte(text), 0o600))
	got = otelnpd(t, "", "validate", "--config", "conf/otelnpd.yaml")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, `read pack "conf/packs/site.yaml"`, "it says where it looked")
	require.NoError(t, os.Rename("packs", "conf/packs"))
	require.Zero(t, otelnpd(t, "", "validate", "--config", "conf/otelnpd.yaml").code)
}
