package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// answerPatience is how long an executable may take to be opened and its beginning to be
// read.
const answerPatience = 2 * time.Second

// ErrNoAnswer is why a command is not started whose executable cannot be read, since a
// file system or a disk does not answer.
var ErrNoAnswer = errors.New("its file system does not answer")

// answers reads the beginning of the executable before anything is started. What starts
// a process in Go is a vfork (clone(2), CLONE_VFORK), in which a thread waits for the
// execve(2) of the child without the scheduler's knowing: if that hangs on a dead disk or
// NFS server, the next garbage collection waits for the thread, and all of the process
// with it. A read that hangs keeps nothing but its thread. The error is ErrNoAnswer;
// other faults of the file are execve's to tell.
func (l *Launcher) answers(ctx context.Context, atOnce <-chan struct{}, c *Command) error {
	path := c.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dir, path)
	}
	read := make(chan struct{})
	go func() {
		readBeginning(path)
		l.mu.Lock()
		delete(l.silent, c.Key)
		close(read)
		l.mu.Unlock()
	}()
	timer := time.NewTimer(answerPatience)
	defer timer.Stop()
	select {
	case <-read:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	case <-atOnce:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-read:
		return nil
	default:
	}
	l.silent[c.Key] = struct{}{} // until it has been read
	return fmt.Errorf("read %s: %w", path, ErrNoAnswer)
}

// readBeginning reads the beginning of a regular file, whatever comes of it.
func readBeginning(path string) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return // others are not executed, and to open a device may do something
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) //nolint:gosec // commands are the operator's own
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	var beginning [256]byte
	_, _ = file.Read(beginning[:]) // its faults are execve's to tell
}
