package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// Containerd is a containerd of a test's own.
type Containerd struct {
	*process.Process
	// Socket is the path of its socket.
	Socket string

	program, config string
	environment     []string
}

// containerdRecipe takes Debian's package apart: nothing is installed, no service
// starts.
func containerdRecipe() (*recipe, error) {
	return &recipe{
		name:     "containerd",
		key:      []string{"Debian package, unpacked"},
		programs: []string{"usr/bin/containerd"},
		make:     func(ctx context.Context, folder string) error { return unpackDebian(ctx, folder, "containerd") },
	}, nil
}

// containerdConfig names the directories and the socket; what would touch the machine
// is off.
const containerdConfig = `version = 2
root = '%[1]s/root'
state = '%[1]s/state'
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = '%[2]s'
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_apparmor = true
%[3]s  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = '%[1]s/cni'
    bin_dir = '%[1]s/cni'
`

// StartContainerd starts a containerd whose socket is below run, a node's /run, and
// returns once it takes connections. It needs root.
func StartContainerd(t testing.TB, run string) *Containerd {
	t.Helper()
	c := newContainerd(t, run, "")
	c.Restart(t)
	return c
}

// newContainerd makes one that is not started yet, with more of CRI's configuration.
func newContainerd(t testing.TB, run, cri string) *Containerd {
	t.Helper()
	if os.Geteuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("containerd runs as root alone")
	}
	dir := t.TempDir()
	c := &Containerd{
		Socket:  filepath.Join(run, "containerd", "containerd.sock"),
		program: filepath.Join(getOrSkip(t, containerdRecipe), "usr/bin/containerd"), config: filepath.Join(dir, "config.toml"),
	}
	require.NoError(t, os.WriteFile(c.config, fmt.Appendf(nil, containerdConfig, dir, c.Socket, cri), 0o600))
	return c
}

// Restart starts it again, after it has ended.
func (c *Containerd) Restart(t testing.TB) {
	t.Helper()
	cmd := exec.Command(c.program, "--config", c.config)
	cmd.Env = append(os.Environ(), c.environment...)
	c.Process = process.Start(t, "containerd", cmd)
	c.WaitReady(t, func(context.Context) error {
		conn, err := net.DialTimeout("unix", c.Socket, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
