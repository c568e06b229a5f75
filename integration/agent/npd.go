package agent

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// StartNPD starts the agent under the name of node-problem-detector, with that one's
// flags and with the ports and the socket of the settings, and returns at once. The
// environment names no node.
func StartNPD(t testing.TB, binary string, settings Settings, flags ...string) *Agent {
	t.Helper()
	name := filepath.Join(t.TempDir(), "node-problem-detector")
	require.NoError(t, os.Symlink(binary, name))
	for flag, endpoint := range map[string]string{"": settings.Status, "prometheus-": settings.Metrics} {
		host, port, err := net.SplitHostPort(endpoint)
		require.NoError(t, err)
		flags = append([]string{"--" + flag + "address=" + host, "--" + flag + "port=" + port}, flags...)
	}
	cmd := exec.Command(name, flags...)
	cmd.Env = append(os.Environ(), "NODE_NAME=", "OTELNPD_SOCKET="+settings.Socket, "OTELNPD_STATE_DIR="+settings.StateDir)
	return &Agent{Process: process.Start(t, "node-problem-detector", cmd), Settings: settings}
}
