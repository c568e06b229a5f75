package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	images "github.com/otelnpd/otelnpd/integration/image"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// packages makes the packages once a test run: their contents by path.
//
//nolint:gochecknoglobals // made once a run
var packages = sync.OnceValues(func() (map[string]string, error) {
	root, err := agent.Root()
	if err != nil {
		return nil, err
	}
	if output, err := exec.Command(filepath.Join(root, ".ci/package")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make packages: %w\n%s", err, output)
	}
	paths, err := filepath.Glob(filepath.Join(root, "dist/packages/otelnpd_*.deb"))
	all := map[string]string{}
	for _, path := range paths {
		content, readErr := os.ReadFile(path)
		err = errors.Join(err, readErr)
		all[path] = string(content)
	}
	return all, err
})

// debianPackage returns the path of the package for this machine.
func debianPackage(t *testing.T) string {
	t.Helper()
	images.Archive(t, images.Agent) // its SBOM is in the package
	all, err := packages()
	require.NoError(t, err)
	for path := range all {
		if strings.HasSuffix(path, "_"+runtime.GOARCH+".deb") {
			return path
		}
	}
	require.FailNow(t, "no package is made for "+runtime.GOARCH)
	return ""
}

const (
	configFile = "etc/otelnpd/otelnpd.yaml"
	enabled    = "etc/systemd/system/multi-user.target.wants/otelnpd.service"
)

// The life of the Debian package: installed, upgraded with a change of the
// administrator's, removed, purged.
func TestPackage(t *testing.T) {
	deb := debianPackage(t)
	debian := servers.NewDebianRoot(t)
	before := filesIn(t, debian.Dir)

	install(t, debian, deb)
	requireInstalled(t, debian)
	requireUnit(t, debian)

	config := filepath.Join(debian.Dir, configFile)
	require.NoError(t, os.WriteFile(config, []byte("# the administrator's\n"), 0o644))
	state := filepath.Join(debian.Dir, "var/lib/otelnpd/state")
	require.NoError(t, os.MkdirAll(filepath.Dir(state), 0o700))
	require.NoError(t, os.WriteFile(state, []byte("kept"), 0o600))
	newer := newerPackage(t, debian, deb)
	install(t, debian, newer)
	require.Contains(t, debian.Run(t, "dpkg", "--status", "otelnpd"), "\nVersion: 99\n")
	require.Equal(t, "# the administrator's\n", readText(t, config))
	require.FileExists(t, state)
	require.Equal(t, "enabled\n", debian.Run(t, "systemctl", "is-enabled", "otelnpd.service"))

	debian.Run(t, "dpkg", "--remove", "otelnpd")
	require.NoFileExists(t, filepath.Join(debian.Dir, "usr/bin/otelnpd"))
	_, err := os.Lstat(filepath.Join(debian.Dir, enabled))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.FileExists(t, config)
	require.FileExists(t, state)

	requireInstalledAgain(t, debian, newer)
	debian.Run(t, "dpkg", "--purge", "otelnpd")
	require.Equal(t, before, filesIn(t, debian.Dir))

	debian.Run(t, "systemctl", "mask", "--quiet", "otelnpd.service")
	install(t, debian, deb)
	debian.Run(t, "dpkg", "--purge", "otelnpd")
	debian.Run(t, "systemctl", "unmask", "--quiet", "otelnpd.service")
	require.Equal(t, before, filesIn(t, debian.Dir), "it may be masked")
}

// requireInstalledAgain requires that a removal between does not change whether the
// service is to be started at the next boot.
func requireInstalledAgain(t *testing.T, debian *servers.DebianRoot, deb string) {
	t.Helper()
	install(t, debian, deb)
	require.Equal(t, "enabled\n", debian.Run(t, "systemctl", "is-enabled", "otelnpd.service"))
	debian.Run(t, "systemctl", "disable", "--quiet", "otelnpd.service")
	debian.Run(t, "dpkg", "--remove", "otelnpd")
	install(t, debian, deb)
	answer, err := debian.Try(t, "systemctl", "is-enabled", "otelnpd.service")
	require.Error(t, err)
	require.Equal(t, "disabled\n", answer)
	debian.Run(t, "dpkg", "--remove", "otelnpd")
}

func install(t *testing.T, debian *servers.DebianRoot, deb string) {
	t.Helper()
	content, err := os.ReadFile(deb)
	require.NoError(t, err)
	file := filepath.Join(debian.Dir, "otelnpd.deb")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	debian.Run(t, "dpkg", "--force-confold", "--install", "/otelnpd.deb")
	require.NoError(t, os.Remove(file))
}

// newerPackage is the package with another version and another default configuration.
func newerPackage(t *testing.T, debian *servers.DebianRoot, deb string) string {
	t.Helper()
	dir := filepath.Join(debian.Dir, "newer")
	run := func(args ...string) {
		output, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	run("dpkg-deb", "--raw-extract", deb, dir)
	control := filepath.Join(dir, "DEBIAN/control")
	_, after, found := strings.Cut(readText(t, control), "\nVersion: ")
	require.True(t, found)
	version, _, _ := strings.Cut(after, "\n")
	require.NoError(t, os.WriteFile(control, []byte(strings.Replace(readText(t, control), "\nVersion: "+version, "\nVersion: 99", 1)), 0o644))
	defaults := filepath.Join(dir, configFile)
	require.NoError(t, os.WriteFile(defaults, []byte(readText(t, defaults)+"# newer\n"), 0o644))
	newer := filepath.Join(t.TempDir(), "newer.deb")
	run("dpkg-deb", "--root-owner-group", "-Znone", "--build", dir, newer)
	require.NoError(t, os.RemoveAll(dir))
	return newer
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// requireInstalled requires the agent, its configuration, manual and completions, all
// of them root's, and the service to be started at the next boot.
func requireInstalled(t *testing.T, debian *servers.DebianRoot) {
	t.Helper()
	require.Contains(t, debian.Run(t, "otelnpd", "version"), "otelnpd ")
	require.Contains(t, debian.Run(t, "otelnpd", "validate", "--config", "/"+configFile), "valid")
	require.Equal(t, "enabled\n", debian.Run(t, "systemctl", "is-enabled", "otelnpd.service"))
	require.Contains(t, debian.Run(t, "zcat", "/usr/share/man/man1/otelnpd-run.1.gz"), "Watch this node")
	require.Contains(t, debian.Run(t, "bash", "-c", ". /usr/share/bash-completion/completions/otelnpd && complete -p otelnpd"), "__start_otelnpd")
	require.FileExists(t, filepath.Join(debian.Dir, "usr/share/zsh/vendor-completions/_otelnpd"))
	require.FileExists(t, filepath.Join(debian.Dir, "usr/share/fish/vendor_completions.d/otelnpd.fish"))
	for path := range strings.Lines(debian.Run(t, "dpkg", "--listfiles", "otelnpd")) {
		info, err := os.Stat(filepath.Join(debian.Dir, strings.TrimSpace(path)))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o022, "%s can be written by others", path)
	}
	require.Equal(t, "/"+configFile+"\n", debian.Run(t, "dpkg-query", "--control-show", "otelnpd", "conffiles"))
	require.Empty(t, debian.Run(t, "dpkg", "--verify", "otelnpd"))
}

// requireUnit requires that systemd takes the unit, and how much it leaves open: 25 is
// an exposure of 2.5 of 10.
func requireUnit(t *testing.T, debian *servers.DebianRoot) {
	t.Helper()
	require.Empty(t, debian.Run(t, "systemd-analyze", "verify", "--man=no", "/lib/systemd/system/otelnpd.service"))
	rating := debian.Run(t, "systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=25", "/lib/systemd/system/otelnpd.service")
	require.Contains(t, rating, "Overall exposure level for otelnpd.service: 2.")
}

// filesIn are the files of a root with their sizes and modes, but dpkg's own records and
// what systemd notes until it starts.
func filesIn(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == "var/lib/dpkg" || path == "var/log" || path == "var/cache" || path == "run/systemd" {
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files[path] = info.Mode().String()
		if info.Mode().IsRegular() {
			files[path] += " " + info.ModTime().String()
		}
		return nil
	}))
	return files
}
