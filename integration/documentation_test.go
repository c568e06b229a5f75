package integration

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/manual"
)

// pageDeadline is how long the commands of one page may take on a busy machine.
const pageDeadline = 15 * time.Minute

// Every page of the repository: the commands that it marks are run, each page on a
// machine of its own, and must succeed and print what the page says.
func TestDocumentation(t *testing.T) {
	d := newDocumentation(t)
	for _, name := range d.pages(t) {
		source, err := os.ReadFile(filepath.Join(d.root, name))
		require.NoError(t, err)
		page, err := manual.Parse(name, source)
		if err == nil && page.Environment == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err != nil {
				t.Fatal(err)
			}
			d.run(t, page)
		})
	}
}

// pages returns the paths of all pages below the repository's root.
func (d *documentation) pages(t *testing.T) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(d.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != d.root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"bin", "dist", "testdata"}, name)) {
			return fs.SkipDir
		}
		if filepath.Ext(name) == ".md" {
			name, err = filepath.Rel(d.root, path)
			names = append(names, name)
		}
		return err
	}))
	require.Contains(t, names, "README.md")
	return names
}

// run does a page where its comment says.
func (d *documentation) run(t *testing.T, page *manual.Page) {
	t.Helper()
	requireRoot(t)
	var shell *manual.Shell
	switch page.Environment {
	case "clone":
		shell = d.clone(t)
	case "node":
		shell = d.node(t)
	case "cluster":
		shell = d.cluster(t)
	}
	if readsKernelLog(page) {
		kernellog.Open(t).Overwrite(t) // the agents read it from the boot on
	}
	ctx, stop := context.WithTimeout(t.Context(), pageDeadline)
	defer stop()
	begun := time.Now()
	if err := shell.Do(ctx, page); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commands and files in %s", len(page.Steps), time.Since(begun).Round(time.Millisecond))
}

// requireRoot skips a test that makes machines, or fails it in CI.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("namespaces and mounts of its own need root")
	}
	require.Zero(t, os.Getuid(), "namespaces and mounts of its own need root")
}

// readsKernelLog tells whether commands of a page read or write the kernel's log, which
// all agents of a machine share.
func readsKernelLog(page *manual.Page) bool {
	return slices.ContainsFunc(page.Steps, func(step manual.Step) bool {
		return slices.ContainsFunc([]string{"/dev/kmsg", "dmesg", "otelnpd run", "make run", "node-problem-detector --"}, func(word string) bool {
			return strings.Contains(step.Command, word)
		})
	})
}
