package integration

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// A release is made of a tag that is checked out as it is, and of nothing else.
func TestReleaseRefused(t *testing.T) {
	clone := cloneOfSources(t)
	refused := func(because string, variables ...string) {
		t.Helper()
		output, err := tryMake(t, clone, append([]string{"release"}, variables...)...)
		require.Error(t, err)
		require.Contains(t, output, because)
	}
	refused("no tag is checked out: git checkout vX.Y.Z")
	runGit(t, "-C", clone, "tag", "newest")
	refused("the tag newest is no version vX.Y.Z")
	runGit(t, "-C", clone, "tag", "v98.7.6-rc.1")
	refused("Chart.yaml is not of v98.7.6-rc.1: write version: 98.7.6-rc.1 there, run make manifests")
	writeChartVersion(t, clone)
	refused("there are changes that the tag does not have")
	commitAll(t, clone)
	runGit(t, "-C", clone, "tag", "--force", "v98.7.6-rc.1")
	refused("deploy/manifests are not those of the chart: run make manifests")

	runGit(t, "-C", clone, "-c", "user.name=test", "-c", "user.email=test@example.com", "tag", "--annotate", "--message=first", "v98.7.5-rc.1")
	refused("several versions are tagged here, v98.7.5-rc.1, v98.7.6-rc.1: make release VERSION=vX.Y.Z")
	refused("deploy/manifests are not", "VERSION=v98.7.6-rc.1")
	refused("Chart.yaml is not of v98.7.5-rc.1", "VERSION=v98.7.5-rc.1")
	refused("v98.7.4 is not checked out, but v98.7.5-rc.1, v98.7.6-rc.1: git checkout v98.7.4", "VERSION=v98.7.4")
}

// What go test says of pages that cannot be made is the reason that is shown.
func TestPackageTellsWhatFails(t *testing.T) {
	clone := cloneOfSources(t)
	programs := t.TempDir()
	const failing = `#!/bin/sh
[ "$1" != test ] || { echo '--- FAIL: TestManPages: it is broken'; exit 1; }
exec "$REAL_GO" "$@"
`
	require.NoError(t, os.WriteFile(filepath.Join(programs, "go"), []byte(failing), 0o700))
	goProgram, err := exec.LookPath("go")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), filepath.Join(clone, ".ci/package"))
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "REAL_GO="+goProgram)
	output, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), "package: no man pages\n--- FAIL: TestManPages: it is broken")
}

// writeChartVersion makes the chart one of the version that the tests release.
func writeChartVersion(t *testing.T, clone string) {
	t.Helper()
	chart := filepath.Join(clone, "deploy/helm/otelnpd/Chart.yaml")
	text := regexp.MustCompile(`(?m)^(version|appVersion): .*$`).ReplaceAllString(readText(t, chart), "$1: 98.7.6-rc.1")
	require.NoError(t, os.WriteFile(chart, []byte(text), 0o600))
}

func commitAll(t *testing.T, clone string) {
	t.Helper()
	runGit(t, "-C", clone, "add", "--all")
	runGit(t, "-C", clone, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=a version")
}

// What a release of a tag has: the files by their names, checksums, and the tag's version
// in all of them. Made twice, it is the same bytes.
func TestRelease(t *testing.T) {
	if os.Getenv("OTELNPD_SOAK") == "" {
		t.Skip("only with OTELNPD_SOAK=1: it makes agents, images and packages twice")
	}
	clone := cloneOfSources(t)
	writeChartVersion(t, clone)
	output, err := tryMake(t, clone, "manifests")
	require.NoError(t, err, output)
	commitAll(t, clone)
	runGit(t, "-C", clone, "tag", "v98.7.6-rc.1")
	sums := makeRelease(t, clone)
	release := filepath.Join(clone, "dist/release")
	requireReleaseFiles(t, release)
	requireArchive(t, release)
	requireChart(t, release)
	requireFields(t, release)
	for _, made := range []string{"dist", "bin"} {
		require.NoError(t, os.RemoveAll(filepath.Join(clone, made)))
	}
	require.Equal(t, sums, makeRelease(t, clone))
}

// cloneOfSources clones the sources as they are now, what is not committed yet included.
func cloneOfSources(t *testing.T) (folder string) {
	t.Helper()
	root, err := agent.Root()
	require.NoError(t, err)
	folder = filepath.Join(t.TempDir(), "clone")
	runGit(t, "clone", "--quiet", "--no-checkout", root, folder)
	inClone := []string{"--git-dir=" + filepath.Join(folder, ".git"), "--work-tree=" + root}
	runGit(t, append(inClone, "add", "--all")...)
	runGit(t, append(inClone, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--allow-empty", "--message=now")...)
	runGit(t, "-C", folder, "reset", "--quiet", "--hard")
	return folder
}

func runGit(t *testing.T, args ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
	require.NoError(t, err, "git %v\n%s", args, output)
}

// tryMake runs make as a shell does that no make and no release has started.
func tryMake(t *testing.T, folder string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"--silent"}, args...)...)
	cmd.Dir = folder
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "SOURCE_DATE_EPOCH", "VERSION", "COMMIT", "GOOS", "GOARCH"}, name)
	})
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// makeRelease returns the checksums.
func makeRelease(t *testing.T, clone string) (sums string) {
	t.Helper()
	output, err := tryMake(t, clone, "release")
	require.NoError(t, err, output)
	return readText(t, filepath.Join(clone, "dist/release/SHA256SUMS"))
}

func requireReleaseFiles(t *testing.T, release string) {
	t.Helper()
	entries, err := os.ReadDir(release)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	require.Equal(t, []string{
		"SHA256SUMS",
		"otelnpd-98.7.6-rc.1-linux-amd64.tar.gz", "otelnpd-98.7.6-rc.1-linux-arm64.tar.gz",
		"otelnpd-chart-98.7.6-rc.1.tgz",
		"otelnpd-compat-image-98.7.6-rc.1-linux-amd64.spdx.json", "otelnpd-compat-image-98.7.6-rc.1-linux-arm64.spdx.json",
		"otelnpd-compat-image-98.7.6-rc.1.oci.tar",
		"otelnpd-image-98.7.6-rc.1-linux-amd64.spdx.json", "otelnpd-image-98.7.6-rc.1-linux-arm64.spdx.json",
		"otelnpd-image-98.7.6-rc.1.oci.tar",
		"otelnpd_98.7.6~rc.1_amd64.deb", "otelnpd_98.7.6~rc.1_arm64.deb",
	}, names)
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	check.Dir = release
	output, err := check.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Equal(t, len(names)-1, strings.Count(readText(t, filepath.Join(release, "SHA256SUMS")), "\n"))
}

// requireArchive requires the agent of each architecture in its archive, and that it
// tells the tag.
func requireArchive(t *testing.T, release string) {
	t.Helper()
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		folder, name := t.TempDir(), "otelnpd-98.7.6-rc.1-linux-"+arch
		output, err := exec.CommandContext(t.Context(), "tar", "--extract", "--file", filepath.Join(release, name+".tar.gz"), "--directory", folder).CombinedOutput()
		require.NoError(t, err, "%s", output)
		folder = filepath.Join(folder, name)
		for _, path := range []string{
			"LICENSE", "README.md", "CHANGELOG.md", "otelnpd.service", "otelnpd.yaml", "man/otelnpd-run.1.gz",
			"completions/bash", "completions/zsh", "completions/fish",
		} {
			require.FileExists(t, filepath.Join(folder, path))
		}
		program := filepath.Join(folder, "otelnpd")
		file, err := elf.Open(program)
		require.NoError(t, err)
		require.Equal(t, machine, file.Machine)
		require.NoError(t, file.Close())
		if arch == runtime.GOARCH {
			output, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
			require.NoError(t, err, "%s", output)
			require.Contains(t, string(output), "v98.7.6-rc.1")
		}
	}
}

// requireChart requires that Helm takes the packed chart, and that it names the images of
// the tag.
func requireChart(t *testing.T, release string) {
	t.Helper()
	rendered, failure := servers.Helm(t, servers.Helm3, "template", "otelnpd", filepath.Join(release, "otelnpd-chart-98.7.6-rc.1.tgz"), "--kube-version", "1.37.2")
	require.Empty(t, failure)
	require.Contains(t, rendered, "ghcr.io/otelnpd/otelnpd:98.7.6-rc.1")
}

// requireFields requires what the packages say of themselves, and the images' version.
func requireFields(t *testing.T, release string) {
	t.Helper()
	for _, arch := range []string{"amd64", "arm64"} {
		path := filepath.Join(release, "otelnpd_98.7.6~rc.1_"+arch+".deb")
		fields, err := exec.CommandContext(t.Context(), "dpkg-deb", "--show", "--showformat=${Package} ${Version} ${Architecture} ${Section} ${Recommends}", path).CombinedOutput()
		require.NoError(t, err, "%s", fields)
		require.Equal(t, "otelnpd 98.7.6~rc.1 "+arch+" admin ca-certificates", string(fields))
	}
	for _, image := range []string{"otelnpd", "otelnpd-compat"} {
		archive := filepath.Join(release, image+"-image-98.7.6-rc.1.oci.tar")
		index, err := exec.CommandContext(t.Context(), "tar", "--extract", "--to-stdout", "--file", archive, "index.json").Output()
		require.NoError(t, err)
		require.Contains(t, string(index), "98.7.6-rc.1")
	}
}
