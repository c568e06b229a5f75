package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/stretchr/testify/require"
)

// Every command has a man page. With OTELNPD_MAN they are written into that folder,
// for packages: the generator is no part of the agent.
func TestManPages(t *testing.T) {
	if os.Getenv("SOURCE_DATE_EPOCH") == "" { // their date
		t.Setenv("SOURCE_DATE_EPOCH", "0")
	}
	dir := cmp.Or(os.Getenv("OTELNPD_MAN"), t.TempDir())
	root := newRootCommand()
	root.InitDefaultCompletionCmd("man") // as executing it does
	root.DisableAutoGenTag = true
	require.NoError(t, doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "otelnpd", Manual: "otelnpd"}, dir))
	requireManPages(t, dir, root)
	require.Contains(t, manPage(t, dir, "otelnpd-run"), `\fB--state-dir\fP`)
}

// requireManPages requires a page of a command and of all below it.
func requireManPages(t *testing.T, dir string, cmd *cobra.Command) {
	t.Helper()
	if !cmd.IsAvailableCommand() {
		return
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	require.Contains(t, manPage(t, dir, name), name+" - "+cmd.Short)
	for _, below := range cmd.Commands() {
		requireManPages(t, dir, below)
	}
}

func manPage(t *testing.T, dir, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(dir, name+".1"))
	require.NoError(t, err)
	return string(page)
}
