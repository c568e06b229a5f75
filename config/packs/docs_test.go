package packs_test

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/packs"
)

var update = flag.Bool("update", false, "write the documentation of the packs anew")

// TestDocumentationIsFresh compares the lists of rules with the packs.
func TestDocumentationIsFresh(t *testing.T) {
	for path, want := range map[string]string{
		"../../docs/rules-kernel.md":   document(t, "kernel.yaml"),
		"../../docs/rules-services.md": documentServices(t),
	} {
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(got), "run go test ./config/packs -update")
	}
}

func document(t *testing.T, name string) string {
	t.Helper()
	contents := read(t, name)
	doc := strings.Builder{}
	doc.WriteString(`# The rule pack kernel

Rules for the messages of the Linux kernel, in the wording of kernels 2.6.32 to today's; named by
` + "`packs: [kernel]`" + ` of the [rules processor](../processors/rules/README.md). Patterns and samples are in
[kernel.yaml](../config/packs/kernel.yaml). This list is made from it (` + "`go test ./config/packs -update`" + `).

The conditions mean what they mean in node-problem-detector, as do the reasons that it knows. All other
rules make events only. The message is the line. The class is the kind of problem, for filters of what the exporter otlp
sends: several rules, reasons and wordings share one.

`)
	doc.WriteString(table("kernel", contents))
	return doc.String()
}

// table lists the rules of a pack.
func table(pack string, contents file) string {
	var out strings.Builder
	out.WriteString("| rule | class | reason | condition | severity |\n|---|---|---|---|---|\n")
	for _, rule := range contents.Rules {
		fmt.Fprintf(&out, "| %s/%s | %s | %s | %s | %s |\n",
			pack, rule.ID, rule.Class, rule.Reason, rule.Condition, cmp.Or(rule.Severity, "warn"))
	}
	return out.String()
}

// documentServices makes the page of all packs but the kernel's. What is said of a
// pack is the comment at the head of its file.
func documentServices(t *testing.T) string {
	t.Helper()
	var doc strings.Builder
	doc.WriteString(`# The rule packs for services

Rules for what programs tell in the log, and what the kernel tells too often. Each is named by ` + "`packs:`" + ` of the
[rules processor](../processors/rules/README.md); none is taken unasked. Patterns and samples are in
[config/packs](../config/packs). This page is made from them (` + "`go test ./config/packs -update`" + `).

A program is known by the attribute ` + "`log.syslog.appname`" + ` of its lines (in the journal SYSLOG_IDENTIFIER): a receiver
that does not tell it gives these rules nothing to match.
`)
	for _, name := range names(t) {
		pack := strings.TrimSuffix(name, ".yaml")
		if pack == "kernel" {
			continue
		}
		fmt.Fprintf(&doc, "\n## %s\n\n%s\n%s", pack, head(t, name), table(pack, read(t, name)))
	}
	return doc.String()
}

// head returns the comment that a pack's file begins with.
func head(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(packs.FS, name)
	require.NoError(t, err)
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		text, isComment := strings.CutPrefix(line, "#")
		if !isComment {
			break
		}
		out.WriteString(strings.TrimPrefix(text, " "))
	}
	require.NotEmpty(t, out.String())
	return out.String()
}
