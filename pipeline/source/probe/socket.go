package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// dialSocket connects to the unix socket of a service. Its errors are those of a probe.
//
// A socket that is missing in a directory that is there tells that the service does not
// run. Without the directory, or where a mount shows what the node has replaced, it
// tells nothing.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		return conn, nil
	}
	reason := plain(err)
	switch {
	case isTimeout(err):
		return nil, context.DeadlineExceeded
	case isOwnWant(err):
		return nil, ownWant(fmt.Errorf("connect to %s: %w", path, reason))
	case errors.Is(err, fs.ErrNotExist):
		return nil, missingSocket(path)
	case errors.Is(err, fs.ErrPermission):
		return nil, &Unknown{Err: fmt.Errorf("connect to %s: %w", path, reason), Remedy: fmt.Sprintf("run as root, or as a user who may write to it (this is uid %d)", os.Geteuid())}
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENOTSOCK):
		return nil, &Unknown{Err: fmt.Errorf("connect to %s: %w", path, reason), Remedy: "write the path of a unix socket, of at most 107 bytes"}
	case isGone(path):
		return nil, &Unknown{Err: fmt.Errorf("connect to %s: the node has replaced it since it was mounted", path), Remedy: "mount the directory that it is in, in place of the socket, and start this container again"}
	}
	return nil, fmt.Errorf("connect to %s: %w", path, reason)
}

func missingSocket(path string) error {
	directory := filepath.Dir(path)
	_, err := os.Stat(directory)
	switch {
	case err != nil:
		return &Unknown{Err: fmt.Errorf("connect to %s: %w", path, err), Remedy: "mount that directory of the node, or write the socket that the service has"}
	case isGone(directory):
		return &Unknown{Err: fmt.Errorf("connect to %s: the node has replaced %s since it was mounted", path, directory), Remedy: "mount the node's /run where service.host.run says, and start this container again"}
	case filepath.Base(directory) == "run" && !isNodesRun(directory):
		return &Unknown{Err: fmt.Errorf("connect to %s: %s seems to be that of a container", path, directory), Remedy: "mount the node's /run where service.host.run says, or write the socket that the service has"}
	}
	return fmt.Errorf("connect to %s: there is no socket: the service does not run", path)
}

// isGone tells whether a file that can be seen has been removed: a mount holds it.
func isGone(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && status.Nlink == 0
}

// isNodesRun tells whether a /run is a node's: every container has one too, but what
// runs a machine leaves something there.
func isNodesRun(directory string) bool {
	for _, of := range []string{"systemd", "udev", "openrc"} {
		if _, err := os.Stat(filepath.Join(directory, of)); err == nil {
			return true
		}
	}
	return false
}
