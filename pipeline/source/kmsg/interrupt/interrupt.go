// Package interrupt waits for a file descriptor in a way that another goroutine
// can end. It works for every kind of file, whether or not it is non-blocking.
package interrupt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Interrupt ends waits. The zero value is not usable; see [New].
type Interrupt struct {
	event  int
	raised atomic.Bool

	mu     sync.Mutex
	closed bool
}

// New returns an Interrupt. It holds a file descriptor until Close.
func New() (*Interrupt, error) {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make an eventfd: %w", err)
	}
	return &Interrupt{event: event}, nil
}

// Raise ends the wait under way and every later one. After Close it does nothing.
func (i *Interrupt) Raise() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	i.raised.Store(true)
	one := binary.NativeEndian.AppendUint64(nil, 1)
	if _, err := unix.Write(i.event, one); err != nil && !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("write to an eventfd: %w", err)
	}
	return nil
}

// Raised tells whether Raise was called.
func (i *Interrupt) Raised() bool { return i.raised.Load() }

// Close frees the file descriptor, when nobody waits any more.
func (i *Interrupt) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	return unix.Close(i.event)
}

// Wait blocks its thread until fd can be read or has ended, or until Raise.
// A negative fd waits for Raise alone.
func (i *Interrupt) Wait(fd int) (readable, raised bool, err error) {
	fds := [...]unix.PollFd{
		{Fd: int32(fd), Events: unix.POLLIN},      //nolint:gosec // file descriptors are small
		{Fd: int32(i.event), Events: unix.POLLIN}, //nolint:gosec // file descriptors are small
	}
	for {
		_, err = unix.Poll(fds[:], -1)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return false, false, fmt.Errorf("poll: %w", err)
	}
	return fds[0].Revents != 0, fds[1].Revents != 0, nil
}
