package operator_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/operator"
)

// deadSocket leaves a socket as a process does that was killed.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	require.FileExists(t, path)
}

func TestSocketIsPrivateAndItsDirectoryIsMade(t *testing.T) {
	path := listen(t, &agent{})
	socket, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o600, socket.Mode())
	dir, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), dir.Mode().Perm())
}

func TestSocketOfADeadProcessIsReplaced(t *testing.T) {
	path := socketPath(t)
	deadSocket(t, path)
	_, err := operator.Dial(path)
	require.ErrorIs(t, err, operator.ErrNotRunning)
	require.ErrorContains(t, err, "the agent has died; start it again")

	server, err := operator.Listen((&agent{}).config(path))
	require.NoError(t, err)
	_, err = dial(t, path).Health(t.Context())
	require.NoError(t, err)
	require.NoError(t, server.Shutdown(t.Context()))
}

func TestAnotherAgentRuns(t *testing.T) {
	path := listen(t, &agent{})
	_, err := operator.Listen((&agent{}).config(path))
	require.ErrorIs(t, err, operator.ErrRunning)
	require.ErrorContains(t, err, "another otelnpd is running")
	_, err = dial(t, path).Health(t.Context())
	require.NoError(t, err, "the one that runs is not disturbed")
}

func TestAnotherProgramListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "otelnpd.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	_, err = operator.Listen((&agent{}).config(path))
	require.ErrorIs(t, err, operator.ErrRunning)
	require.FileExists(t, path)
}

// Of many that start at once one gets the socket, and the others are told so.
func TestManyStartAtOnce(t *testing.T) {
	path := socketPath(t)
	deadSocket(t, path)
	servers, errs := make(chan *operator.Server, 20), make(chan error, 20)
	for range 20 {
		go func() {
			server, err := operator.Listen((&agent{}).config(path))
			servers <- server
			errs <- err
		}()
	}
	var winner *operator.Server
	for range 20 {
		server, err := <-servers, <-errs
		if server != nil {
			require.Nil(t, winner)
			winner = server
		}
		require.True(t, err == nil || errors.Is(err, operator.ErrRunning), "%v", err)
	}
	require.NotNil(t, winner)
	_, err := dial(t, path).Health(t.Context())
	require.NoError(t, err)
	require.NoError(t, winner.Shutdown(context.Background()))
}

func TestPlacesWhereNoSocketCanBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	link := filepath.Join(dir, "link.lock")
	require.NoError(t, os.Symlink(file, link))
	for path, want := range map[string]string{
		file:                         "is no socket: remove it or choose another path",
		filepath.Join(file, "below"): "make the socket's directory",
		filepath.Join(dir, strings.Repeat("x", 120)): "a unix socket's may have 107",
		filepath.Join(dir, "link"):                   "open the socket's lock",
	} {
		_, err := operator.Listen((&agent{}).config(path))
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, operator.ErrRunning)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

// A failed start gives the lock back.
func TestLockIsGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "otelnpd.sock")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := operator.Listen((&agent{}).config(path))
	require.Error(t, err)
	require.NoError(t, os.Remove(path))
	server, err := operator.Listen((&agent{}).config(path))
	require.NoError(t, err)
	require.NoError(t, server.Shutdown(t.Context()))

	lock, err := os.OpenFile(path+".lock", os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Close()) }()
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}

func TestNoAgent(t *testing.T) {
	_, err := operator.Dial(socketPath(t))
	require.ErrorIs(t, err, operator.ErrNotRunning)
	require.ErrorContains(t, err, "is the agent running on this host")
}
