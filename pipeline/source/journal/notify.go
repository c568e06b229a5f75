package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// journald writes by mmap(2), which inotify(7) does not see, and then truncates the
	// file to the length that it has, which it does: IN_MODIFY.
	directoryMask = aboveMask | unix.IN_MODIFY | unix.IN_DELETE | unix.IN_MOVED_FROM
	aboveMask     = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
)

// notifier has the kernel tell of changes in directories.
type notifier struct {
	queue *os.File
	conn  syscall.RawConn
	names map[int32]string // by watch: the entry that counts; empty: all do
	paths map[string]int32
	text  [4 << 10]byte
}

func openNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("start inotify (see sysctl fs.inotify.max_user_instances): %w", err)
	}
	n := &notifier{queue: os.NewFile(uintptr(fd), "inotify"), names: map[int32]string{}, paths: map[string]int32{}} //nolint:gosec // a descriptor
	if n.conn, err = n.queue.SyscallConn(); err != nil {
		_ = n.queue.Close()
		return nil, fmt.Errorf("wait for inotify: %w", err)
	}
	return n, nil
}

func (n *notifier) close() error { return n.queue.Close() }

// watch makes these directories, and no others, the ones to tell of; of those with a
// name only that entry counts. An error is why some cannot be.
func (n *notifier) watch(wanted map[string]string) error {
	var errs []error
	paths, names := map[string]int32{}, map[int32]string{}
	_ = n.conn.Control(func(fd uintptr) {
		for path, name := range wanted {
			mask := uint32(directoryMask)
			if name != "" {
				mask = aboveMask
			}
			watch, err := unix.InotifyAddWatch(int(fd), path, mask)
			if err != nil {
				if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) { // gone meanwhile
					errs = append(errs, fmt.Errorf("watch %s (see sysctl fs.inotify.max_user_watches): %w", path, err))
				}
				continue
			}
			paths[path], names[int32(watch)] = int32(watch), name //nolint:gosec // the kernel's int
		}
		for watch := range n.names {
			if _, still := names[watch]; !still {
				_, _ = unix.InotifyRmWatch(int(fd), uint32(watch)) //nolint:gosec // as the kernel gave it
			}
		}
	})
	n.paths, n.names = paths, names
	return errors.Join(errs...)
}

// wait waits until something has changed, for the time given at most.
func (n *notifier) wait(ctx context.Context, most time.Duration) error {
	if err := n.queue.SetReadDeadline(time.Now().Add(most)); err != nil {
		return fmt.Errorf("wait for inotify: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = n.queue.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := n.conn.Read(func(fd uintptr) bool { return n.drain(int(fd)) })
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for inotify: %w", err)
	}
	return ctx.Err()
}

// forget drops what has been told meanwhile.
func (n *notifier) forget() error {
	err := n.conn.Control(func(fd uintptr) { n.drain(int(fd)) })
	if err != nil {
		return fmt.Errorf("read from inotify: %w", err)
	}
	return nil
}

// drain takes all that there is and tells whether any of it counts.
func (n *notifier) drain(fd int) (counts bool) {
	for {
		length, err := unix.Read(fd, n.text[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || length <= 0 {
			return counts
		}
		counts = n.counts(n.text[:length]) || counts
	}
}

// counts looks at what a read gave: struct inotify_event of inotify(7), each with a
// name that is padded by zeros.
func (n *notifier) counts(text []byte) (counts bool) {
	for len(text) >= unix.SizeofInotifyEvent {
		watch, mask := int32(binary.NativeEndian.Uint32(text)), binary.NativeEndian.Uint32(text[4:]) //nolint:gosec // the kernel's int
		length := min(int(binary.NativeEndian.Uint32(text[12:])), len(text)-unix.SizeofInotifyEvent)
		name, _, _ := bytes.Cut(text[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length], []byte{0})
		wanted, watched := n.names[watch]
		if mask&unix.IN_Q_OVERFLOW != 0 || watched && (wanted == "" || len(name) == 0 || string(name) == wanted) {
			counts = true
		}
		text = text[unix.SizeofInotifyEvent+length:]
	}
	return counts
}

// Wait waits until there may be more to read: call Refresh then. It returns the
// context's error when that is over.
func (r *Reader) Wait(ctx context.Context) error {
	most := r.options.Poll
	if r.notifier == nil || r.blind != nil {
		most = min(most, blindPoll)
	}
	if r.notifier == nil {
		return pause(ctx, most)
	}
	if err := r.notifier.wait(ctx, most); err != nil {
		return err
	}
	if err := pause(ctx, r.options.Debounce-time.Since(r.woken)); err != nil {
		return err
	}
	r.woken = time.Now()
	return r.notifier.forget()
}

func pause(ctx context.Context, length time.Duration) error {
	if length <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
