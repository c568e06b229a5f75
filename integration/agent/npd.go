package agent

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// StartNPD starts the agent under the name of node-problem-detector, with that one's
// flags and with the ports and the socket of the settings, and returns at once. The
// environment names no node.
func StartNPD(t testing.TB, binary string, settings Settings, flags ...string) *Agent {
	t.Helper()
	return startNPD(t, settings, exec.Command(npdName(t, binary), npdFlags(t, settings, flags)...))
}

// StartNPDOnLogs is StartNPD with a folder in the place of /var/log, which this agent
// alone sees. It needs root.
func StartNPDOnLogs(t testing.TB, binary string, settings Settings, logs string, flags ...string) *Agent {
	t.Helper()
	args := append([]string{"-c", `mount --bind "$0" /var/log && exec "$@"`, logs, npdName(t, binary)}, npdFlags(t, settings, flags)...)
	cmd := exec.Command("sh", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // whose mounts nobody else sees
	return startNPD(t, settings, cmd)
}

func startNPD(t testing.TB, settings Settings, cmd *exec.Cmd) *Agent {
	t.Helper()
	cmd.Env = append(os.Environ(), "NODE_NAME=", "OTELNPD_SOCKET="+settings.Socket, "OTELNPD_STATE_DIR="+settings.StateDir)
	return &Agent{Process: process.Start(t, "node-problem-detector", cmd), Settings: settings}
}

// npdName is a path of the agent that ends in node-problem-detector.
func npdName(t testing.TB, binary string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "node-problem-detector")
	require.NoError(t, os.Symlink(binary, name))
	return name
}

func npdFlags(t testing.TB, settings Settings, flags []string) []string {
	t.Helper()
	for flag, endpoint := range map[string]string{"": settings.Status, "prometheus-": settings.Metrics} {
		host, port, err := net.SplitHostPort(endpoint)
		require.NoError(t, err)
		flags = append([]string{"--" + flag + "address=" + host, "--" + flag + "port=" + port}, flags...)
	}
	return flags
}
