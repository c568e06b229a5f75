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

// readOnly is a path where no socket can be made, not even by root.
func readOnly(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	return filepath.Join(file, "otelnpd.sock")
}

func TestSecondPlace(t *testing.T) {
	a := &agent{}
	config := a.config(readOnly(t))
	second, third := socketPath(t), socketPath(t)
	config.Fallbacks = []string{second, third}
	server, err := operator.Listen(config)
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Shutdown(context.Background())) }()
	require.Equal(t, second, server.Path())
	require.FileExists(t, second+".lock")
	require.NoFileExists(t, third)
	require.Contains(t, a.log.String(), config.Path)

	client, err := operator.Dial(socketPath(t), second, third)
	require.NoError(t, err)
	require.Equal(t, second, client.Path())
	_, err = client.Health(t.Context())
	require.NoError(t, err)
}

func TestFirstPlace(t *testing.T) {
	a := &agent{}
	config := a.config(socketPath(t))
	config.Fallbacks = []string{socketPath(t)}
	server, err := operator.Listen(config)
	require.NoError(t, err)
	require.Equal(t, config.Path, server.Path())
	require.NoFileExists(t, config.Fallbacks[0])
	require.Empty(t, a.log.String())
	require.NoError(t, server.Shutdown(t.Context()))
}

func TestAnotherAgentAtAnyPlace(t *testing.T) {
	first := listen(t, &agent{})
	config := (&agent{}).config(first)
	config.Fallbacks = []string{socketPath(t)}
	_, err := operator.Listen(config)
	require.ErrorIs(t, err, operator.ErrRunning)
	require.NoFileExists(t, config.Fallbacks[0])
	config = (&agent{}).config(readOnly(t))
	config.Fallbacks = []string{first}
	_, err = operator.Listen(config)
	require.ErrorIs(t, err, operator.ErrRunning)
}

func TestNoPlace(t *testing.T) {
	config := (&agent{}).config(readOnly(t))
	config.Fallbacks = []string{readOnly(t)}
	_, err := operator.Listen(config)
	require.NotErrorIs(t, err, operator.ErrRunning)
	require.ErrorContains(t, err, config.Path+": ")
	require.ErrorContains(t, err, "; "+config.Fallbacks[0]+": ")
}

func TestDialSaysWhatItTried(t *testing.T) {
	none, nothing, dead := socketPath(t), socketPath(t), socketPath(t)
	deadSocket(t, dead)
	_, err := operator.Dial(none, nothing)
	require.ErrorIs(t, err, operator.ErrNotRunning)
	require.ErrorContains(t, err, "there is no socket "+none+" and no "+nothing+"; is the agent running")
	_, err = operator.Dial(none, dead)
	require.ErrorIs(t, err, operator.ErrNotRunning)
	require.EqualError(t, err, "otelnpd is not running: nobody answers on "+dead+", the agent has died; start it again (tried: "+none+", "+dead+")")
	client, err := operator.Dial(none, dead, listen(t, &agent{}))
	require.NoError(t, err, "the one that lives")
	require.NotEmpty(t, client.Path())
}
