// Package regularfile reads small files that an operator names: certificates,
// credentials, configurations. What stands there may be a FIFO, which would wait for its
// other end, or a device without an end.
package regularfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Read reads a regular file of most bytes at most, and waits for nobody.
func Read(path string, most int64) ([]byte, error) {
	content, err := read(path, most+1, false)
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("read %s: it has more than %d bytes", path, most)
	}
	return content, err
}

// ReadInput reads most bytes of what a person may give a command to read: a regular
// file, or a pipe without a name, as /dev/stdin and bash's <(…) are. The other end of
// such a pipe is there, or was; only for that it waits.
func ReadInput(path string, most int64) ([]byte, error) { return read(path, most, true) }

func read(path string, most int64, pipes bool) (content []byte, err error) {
	opened, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) //nolint:gosec // the operator's own
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	if fits := info.Mode().IsRegular() || pipes && isUnnamedPipe(opened); !fits {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no regular file")}
	}
	return io.ReadAll(io.LimitReader(opened, most))
}

// isUnnamedPipe tells whether a file is a pipe that no file system has: a FIFO with a name
// is on that of its name.
func isUnnamedPipe(file *os.File) bool {
	var on unix.Statfs_t
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	failed := raw.Control(func(fd uintptr) { err = unix.Fstatfs(int(fd), &on) })
	return failed == nil && err == nil && on.Type == unix.PIPEFS_MAGIC
}
