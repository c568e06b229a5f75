package servers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// DebianRoot is the root file system of a Debian with systemd, which does not run until
// Boot starts it.
type DebianRoot struct {
	// Dir has it.
	Dir string
}

// debianRecipe makes it by debootstrap.
func debianRecipe() (*recipe, error) {
	return &recipe{
		name:     "debian",
		key:      []string{"debootstrap bookworm with systemd"},
		programs: []string{"root/usr/bin/dpkg", "root/usr/bin/systemctl"},
		make: func(ctx context.Context, folder string) error {
			return command(ctx, folder, []string{"TMPDIR="}, "debootstrap", "--variant=minbase", "--include=systemd",
				"bookworm", filepath.Join(folder, "root"), "http://deb.debian.org/debian")
		},
	}, nil
}

// NewDebianRoot copies one for the test. It needs root.
func NewDebianRoot(t testing.TB) *DebianRoot {
	t.Helper()
	if os.Geteuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("packages are installed by root alone")
	}
	d := &DebianRoot{Dir: filepath.Join(t.TempDir(), "root")}
	source := filepath.Join(getOrSkip(t, debianRecipe), "root")
	output, err := exec.CommandContext(t.Context(), "cp", "--archive", "--reflink=auto", source, d.Dir).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return d
}

// inRoot gives a command a root and its own /proc.
const inRoot = `mount -t proc proc "$0/proc" && exec chroot "$0" "$@"`

// Try runs a command in the root and returns its output.
func (d *DebianRoot) Try(t testing.TB, command ...string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", inRoot, d.Dir}, command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.Env = inDebian()
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// inDebian is the environment of a command there.
func inDebian() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
}

// Run is Try of a command that must not fail.
func (d *DebianRoot) Run(t testing.TB, command ...string) (output string) {
	t.Helper()
	output, err := d.Try(t, command...)
	require.NoError(t, err, "%v\n%s", command, output)
	return output
}
