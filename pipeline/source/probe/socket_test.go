package probe_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/probe"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// TestSocketThatIsNotThere tells apart a service that does not run from one that
// cannot be seen.
func TestSocketThatIsNotThere(t *testing.T) {
	dir := probetest.ShortDir(t)
	ask := func(path string) error { return (&probe.Docker{Socket: path}).Ask(within(t, long)) }

	requireUnknown(t, ask(dir+"/containerd/containerd.sock"), "no such file or directory", "mount that directory")
	require.NoError(t, os.Mkdir(dir+"/containerd", 0o700))
	requireUnhealthy(t, ask(dir+"/containerd/containerd.sock"), "there is no socket: the service does not run")

	require.NoError(t, os.Mkdir(dir+"/run", 0o700))
	requireUnknown(t, ask(dir+"/run/docker.sock"), "seems to be that of a container", "service.host.run")
	require.NoError(t, os.Mkdir(dir+"/run/systemd", 0o700))
	requireUnhealthy(t, ask(dir+"/run/docker.sock"), "there is no socket: the service does not run")

	requireUnknown(t, ask(dir+"/"+strings.Repeat("x", 108)), "invalid argument", "at most 107 bytes")
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
	requireUnhealthy(t, ask(dir+"/file"), "connection refused")
}

func TestSocketThatNobodyListensOn(t *testing.T) {
	socket := filepath.Join(probetest.ShortDir(t), "docker.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	requireUnhealthy(t, (&probe.Docker{Socket: socket}).Ask(within(t, long)), "connect to "+socket+": connection refused")
}

// TestSocketThatDoesNotAccept is a stopped service: its queue fills up.
func TestSocketThatDoesNotAccept(t *testing.T) {
	socket := filepath.Join(probetest.ShortDir(t), "docker.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer func() { _ = unix.Close(fd) }()
	require.NoError(t, unix.Bind(fd, &unix.SockaddrUnix{Name: socket}))
	require.NoError(t, unix.Listen(fd, 1))
	for range 5 {
		requireUnhealthy(t, (&probe.Docker{Socket: socket}).Ask(within(t, short)), socket)
	}
}

// TestMountThatTheNodeHasReplaced shows what a container sees after the node has made
// a directory or a socket anew.
func TestMountThatTheNodeHasReplaced(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := probetest.ShortDir(t)
	node, seen := dir+"/node", dir+"/seen"
	for _, path := range []string{node, seen} {
		require.NoError(t, os.Mkdir(path, 0o700))
	}
	mount := func(from, to string) {
		if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
			t.Skipf("no mount here: %v", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(to, unix.MNT_DETACH) })
	}
	mount(node, seen)
	requireUnhealthy(t, (&probe.Docker{Socket: seen + "/docker.sock"}).Ask(within(t, long)), "there is no socket")
	require.NoError(t, os.Remove(node))
	requireUnknown(t, (&probe.Docker{Socket: seen + "/docker.sock"}).Ask(within(t, long)), "the node has replaced", "start this container again")

	server := probetest.StartSocket(t, dir+"/again.sock")
	require.NoError(t, os.WriteFile(dir+"/seen.sock", nil, 0o600))
	mount(dir+"/again.sock", dir+"/seen.sock")
	require.NoError(t, (&probe.Docker{Socket: dir + "/seen.sock"}).Ask(within(t, long)))
	server.Stop() // and its socket is removed
	requireUnknown(t, (&probe.Docker{Socket: dir + "/seen.sock"}).Ask(within(t, long)), "the node has replaced", "in place of the socket")
}

func TestSocketThatMayNotBeUsed(t *testing.T) {
	dir := probetest.ShortDir(t)
	require.NoError(t, os.Chmod(dir, 0o755))
	socket := filepath.Join(dir, "docker.sock")
	probetest.StartSocket(t, socket)
	require.NoError(t, os.Chmod(socket, 0))
	ctx, denied := within(t, long), make(chan error)
	// Root may use every socket: the thread takes the rights of nobody, and ends with its
	// goroutine.
	go func() {
		runtime.LockOSThread()
		_ = unix.Setfsuid(65534) // others than root have lost nothing by it
		denied <- (&probe.Docker{Socket: socket}).Ask(ctx)
	}()
	requireUnknown(t, <-denied, "permission denied", "run as root")
}
