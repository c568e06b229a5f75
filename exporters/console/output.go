package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// output writes so that a write which blocks (a full pipe, a stopped terminal)
// can be given up.
type output interface {
	// write writes all of text. It returns early, with how much was written,
	// when ctx ends.
	write(ctx context.Context, text []byte) (int, error)
}

func newOutput(out io.Writer) output {
	if pollable, ok := out.(deadlineWriter); ok && pollable.SetWriteDeadline(time.Time{}) == nil {
		return deadlineOutput{pollable}
	}
	if file, ok := out.(*os.File); ok {
		return fileOutput{file}
	}
	return &plainOutput{to: out}
}

// deadlineWriter is what the Go runtime can wait for: sockets, and pipes that
// Go itself made.
type deadlineWriter interface {
	io.Writer
	SetWriteDeadline(t time.Time) error
}

type deadlineOutput struct{ to deadlineWriter }

func (o deadlineOutput) write(ctx context.Context, text []byte) (int, error) {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		_ = o.to.SetWriteDeadline(time.Unix(1, 0))
	})
	n, err := o.to.Write(text)
	if !stop() {
		<-cut
		_ = o.to.SetWriteDeadline(time.Time{}) // others write after this one
	}
	return n, err
}

// fileOutput is a file in blocking mode, as the standard output is. The mode
// belongs to all who share the file (the shell too), so it stays; poll(2) tells
// when a write will not block.
type fileOutput struct{ file *os.File }

const (
	// pipeBuf is what a pipe that poll calls writable has room for (pipe(7)).
	pipeBuf = 4096
	// pollWait is how soon a write that waits sees the end of ctx.
	pollWait = 200 * time.Millisecond
)

func (o fileOutput) write(ctx context.Context, text []byte) (int, error) {
	written := 0
	for written < len(text) {
		if err := o.waitWritable(ctx); err != nil {
			return written, err
		}
		n, err := o.file.Write(text[written:min(len(text), written+pipeBuf)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// waitWritable waits until a write will not block, be it because it will fail.
func (o fileOutput) waitWritable(ctx context.Context) error {
	raw, err := o.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch the output: %w", err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		ready, errPoll := 0, error(nil)
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}} //nolint:gosec // a file descriptor is an int
			ready, errPoll = unix.Poll(fds, int(pollWait.Milliseconds()))
		})
		if errors.Is(errPoll, unix.EINTR) {
			errPoll = nil
		}
		if err := errors.Join(err, errPoll); err != nil {
			return fmt.Errorf("watch the output: %w", err)
		}
		if ready > 0 {
			return nil
		}
	}
}

// plainOutput is a writer that nothing is known of: a write that blocks cannot
// be given up, and outlives the exporter. The next one's writes come after it.
type plainOutput struct {
	to io.Writer
	mu sync.Mutex
}

func (o *plainOutput) write(_ context.Context, text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(text)
}
