// Package filelock keeps a second process out by a lock that the kernel gives back
// when its holder ends, however it ends: flock(2).
package filelock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrHeld is a lock that another process holds.
var ErrHeld = errors.New("the lock is held")

// Lock is a lock that this process holds.
type Lock struct{ file *os.File }

// Take takes the lock at path, which it makes if need be, and writes the process's
// id into it for people to read. The error ErrHeld names the holder.
func Take(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // a descriptor is small
		defer file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s%s", ErrHeld, path, holder(file))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// Who cannot write it holds the lock all the same.
	_ = file.Truncate(0)
	_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return &Lock{file}, nil
}

// holder names the process that a lock file tells of.
func holder(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (by process %d)", pid)
}

// Release gives the lock back. The file stays: removing it could take another's
// lock from under it. It may be called twice.
func (l *Lock) Release() error {
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("give back the lock: %w", err)
	}
	return nil
}
