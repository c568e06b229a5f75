package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logrotateRecipe takes Debian's packages apart: nothing is installed, and nothing of
// this machine is rotated.
func logrotateRecipe() (*recipe, error) {
	return &recipe{
		name:     "logrotate",
		key:      []string{"Debian packages, unpacked"},
		programs: []string{"usr/sbin/logrotate"},
		make: func(ctx context.Context, folder string) error {
			for _, name := range []string{"logrotate", "libpopt0", "libacl1", "libselinux1", "libpcre2-8-0"} {
				if err := unpackDebian(ctx, folder, name); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}

// unpackDebian downloads a package and unpacks it into a folder.
func unpackDebian(ctx context.Context, folder, name string) error {
	err := command(ctx, folder, nil, "apt-get", "-o", "APT::Sandbox::User=root", "download", name)
	if err != nil {
		return fmt.Errorf("%w\nIt is a Debian package: run apt-get update", err)
	}
	packages, err := filepath.Glob(filepath.Join(folder, name+"_*.deb"))
	if err != nil || len(packages) != 1 {
		return fmt.Errorf("one package %s expected, found %v", name, packages)
	}
	if err := command(ctx, folder, nil, "dpkg-deb", "-x", packages[0], "."); err != nil {
		return err
	}
	return os.Remove(packages[0])
}

// Logrotate rotates one log as Debian does.
type Logrotate struct {
	folder, config, state string
}

// NewLogrotate returns a logrotate for a path, with more directives (one a line). It
// keeps a thousand files.
func NewLogrotate(t testing.TB, path, directives string) *Logrotate {
	t.Helper()
	dir := t.TempDir()
	l := &Logrotate{folder: getOrSkip(t, logrotateRecipe), config: filepath.Join(dir, "config"), state: filepath.Join(dir, "state")}
	text := fmt.Sprintf("%s {\nrotate 1000\nmissingok\n%s\n}\n", path, directives)
	require.NoError(t, os.WriteFile(l.config, []byte(text), 0o600))
	return l
}

// Rotate rotates now, whatever size and age.
func (l *Logrotate) Rotate(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(l.folder, "usr/sbin/logrotate"), "--force", "--state", l.state, l.config)
	libraries, err := filepath.Glob(filepath.Join(l.folder, "usr/lib/*-linux-gnu"))
	if err != nil {
		return err
	}
	more, err := filepath.Glob(filepath.Join(l.folder, "lib/*-linux-gnu"))
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(libraries, more...), ":"))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("logrotate: %w: %s", err, output)
	}
	return nil
}
