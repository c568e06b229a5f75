package packs_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the documentation of the packs anew")

const kernelDoc = "../../docs/rules-kernel.md"

// TestDocumentationIsFresh compares the list of rules with the pack.
func TestDocumentationIsFresh(t *testing.T) {
	want := document(t, "kernel.yaml")
	if *update {
		require.NoError(t, os.WriteFile(kernelDoc, []byte(want), 0o600))
	}
	got, err := os.ReadFile(kernelDoc)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run go test ./config/packs -update")
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
rules make events only. The message is the line.

| rule | class | reason | condition | severity |
|---|---|---|---|---|
`)
	for _, rule := range contents.Rules {
		fmt.Fprintf(&doc, "| kernel/%s | %s | %s | %s | %s |\n",
			rule.ID, rule.Class, rule.Reason, rule.Condition, cmp.Or(rule.Severity, "warn"))
	}
	return doc.String()
}
