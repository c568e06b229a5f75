package operator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/filelock"
)

// maxPath is what fits into sockaddr_un beside its final zero (unix(7)).
const maxPath = 107

// anotherSocket is what to do about another agent.
const anotherSocket = "end that one, or give this one another service.socket (OTELNPD_SOCKET), or none"

// socket is a listening unix socket and the lock that says whose it is.
type socket struct {
	listener *net.UnixListener
	lock     *filelock.Lock
}

// listenSomewhere makes the socket at the first of the paths where one can be,
// and returns that. The error is why it could not be at those before. Without a
// socket it is never nil. Another agent at any of them ends the search.
func listenSomewhere(paths []string) (*socket, string, error) {
	var failed error
	for _, path := range paths {
		made, err := listenAlone(path)
		switch {
		case err == nil:
			return made, path, failed
		case errors.Is(err, ErrRunning):
			return nil, "", err
		case failed == nil:
			failed = fmt.Errorf("%s: %w", path, err)
		default:
			failed = fmt.Errorf("%w; %s: %w", failed, path, err)
		}
	}
	return nil, "", failed
}

// listenAlone makes the socket. A socket that a dead process left is replaced;
// one that is alive is ErrRunning.
func listenAlone(path string) (*socket, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path %s has %d bytes, and a unix socket's may have %d: choose a shorter one", path, len(path), maxPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the socket itself is what is private
		return nil, fmt.Errorf("make the socket's directory: %w", err)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	listener, err := replace(path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &socket{listener: listener, lock: lock}, nil
}

// close stops listening, removes the socket and gives the lock back. It may be
// called twice.
func (s *socket) close() error {
	var errs []error
	for _, err := range []error{s.listener.Close(), s.lock.Close()} {
		if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// takeLock takes the lock of the socket.
func takeLock(path string) (*filelock.Lock, error) {
	lock, err := filelock.Take(path)
	var held *filelock.HeldError
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("%w: it holds %s: %s", ErrRunning, path, anotherSocket)
	case err != nil:
		return nil, fmt.Errorf("open the socket's lock: %w", err)
	default:
		return lock, nil
	}
}

// replace listens on path, where nothing but a dead socket may be.
func replace(path string) (*net.UnixListener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("look at the socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is no socket: remove it or choose another path", path)
	case answers(path):
		return nil, fmt.Errorf("%w: somebody answers on %s: %s", ErrRunning, path, anotherSocket)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of a dead process: %w", err)
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	// Who connects before this is refused by his credentials all the same.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("keep %s private: %w", path, err), listener.Close())
	}
	return listener, nil
}

// answers tells whether a process listens: only a refused connection says that
// none does.
func answers(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
	}
	return !errors.Is(err, unix.ECONNREFUSED)
}
