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

// inImage gives a command a root of its own, with all that the machine has, and in it the
// folders of an Image, and the binary as the plugins log-counter and health-checker.
const inImage = `
set -e
root=$1 logs=$2 plugins=$3 run=$4 binary=$5
shift 5
mount -t tmpfs none "$root"
for path in /*; do
	if [ -L "$path" ]; then
		cp -P "$path" "$root$path"
	elif [ -d "$path" ] && [ "$path" != /home ] && [ "$path" != /config ]; then
		mkdir "$root$path"
		mount --rbind "$path" "$root$path"
	fi
done
mount --bind "$logs" "$root/var/log"
[ -z "$run" ] || mount --bind "$run" "$root/run"
mkdir -p "$root/config/plugin" "$root/home/kubernetes/bin"
mount --bind "$plugins" "$root/config/plugin"
for name in log-counter health-checker; do
	ln -s "$binary" "$root/home/kubernetes/bin/$name"
done
cd /
exec chroot "$root" "$@"
`

// Image is what an agent sees that nobody else does.
type Image struct {
	// Logs is a folder in the place of /var/log, Plugins in that of /config/plugin.
	Logs, Plugins string
	// Run is one in the place of /run; empty: the machine's own.
	Run string
}

// StartNPDInImage is StartNPD in an image, which also has the agent's binary as
// /home/kubernetes/bin/log-counter and health-checker, as node-problem-detector's has
// those. It needs root.
func StartNPDInImage(t testing.TB, binary string, settings Settings, image Image, flags ...string) *Agent {
	t.Helper()
	args := append([]string{"-c", inImage, "image", t.TempDir(), image.Logs, image.Plugins, image.Run, binary, npdName(t, binary)}, npdFlags(t, settings, flags)...)
	cmd := exec.Command("sh", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // whose mounts nobody else sees
	return startNPD(t, settings, cmd)
}

func startNPD(t testing.TB, settings Settings, cmd *exec.Cmd) *Agent {
	t.Helper()
	cmd.Env = append(os.Environ(), "NODE_NAME=", "OTELNPD_SOCKET="+settings.Socket, "OTELNPD_STATE_DIR="+settings.StateDir)
	cmd.Env = append(cmd.Env, settings.Environment...)
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
	return append(NPDPorts(t, settings), flags...)
}

// NPDPorts are node-problem-detector's flags for the ports of the settings.
func NPDPorts(t testing.TB, settings Settings) (flags []string) {
	t.Helper()
	for flag, endpoint := range map[string]string{"": settings.Status, "prometheus-": settings.Metrics} {
		host, port, err := net.SplitHostPort(endpoint)
		require.NoError(t, err)
		flags = append(flags, "--"+flag+"address="+host, "--"+flag+"port="+port)
	}
	return flags
}
