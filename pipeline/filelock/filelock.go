// Package filelock keeps a second process away from what one process alone may
// use, by a lock on a file (flock(2)). The kernel gives it back when the process
// ends, however it ends.
//
// The file stays when the lock is given back: removing it could take another
// process's lock from under it. It holds the pid of the last owner, for people
// alone: nothing is decided by it.
package filelock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// attempts bounds how often Take starts again because the file was removed
// between being opened and being locked.
const attempts = 10

// HeldError is a lock that another process holds.
type HeldError struct {
	// Path of the lock file.
	Path string
	// PID is what the owner has written into the file; 0: nothing readable. In
	// a container it is a pid of that container.
	PID int
}

// Error tells who holds the lock.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return "another process holds " + e.Path
	}
	return fmt.Sprintf("another process (pid %d) holds %s", e.PID, e.Path)
}

// Lock is a lock that is held. It is not safe for concurrent use.
type Lock struct {
	file *os.File
}

// Take takes the lock on the file at path, which it makes (0600) unless it is
// there; it never waits. A symbolic link is refused. The error is a [*HeldError]
// where another process, or another Lock of this one, holds it.
func Take(path string) (*Lock, error) {
	for range attempts {
		lock, err := take(path)
		if err != nil {
			return nil, err
		}
		stands, err := lock.Stands()
		if stands {
			lock.sign()
			return lock, nil
		}
		if err = errors.Join(err, lock.Close()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("lock %s: somebody keeps removing it", path)
}

func take(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &HeldError{Path: path, PID: signature(file)}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{file: file}, nil
}

// Stands tells whether the path still names the file that is locked. If not,
// somebody has removed or replaced it, and the lock keeps nobody out.
func (l *Lock) Stands() (bool, error) {
	locked, err := l.file.Stat()
	if err != nil {
		return false, fmt.Errorf("look at the lock: %w", err)
	}
	named, err := os.Lstat(l.file.Name())
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at the lock: %w", err)
	default:
		return os.SameFile(locked, named), nil
	}
}

// Close gives the lock back. A second call returns [fs.ErrClosed].
func (l *Lock) Close() error { return l.file.Close() }

// sign writes the pid. A full disk is no reason to be without the lock.
func (l *Lock) sign() {
	if l.file.Truncate(0) == nil {
		_, _ = l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
}

// signature reads the pid, whatever the file holds.
func signature(file io.ReaderAt) int {
	text := make([]byte, 16)
	n, _ := file.ReadAt(text, 0)
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
