package state

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Disk is what state needs of a file system. The real one is [OSDisk].
type Disk interface {
	// MakeDirectory makes a directory and those above it, if need be.
	MakeDirectory(path string) error
	// Create makes a file that is not there.
	Create(path string) (File, error)
	// ReadFile returns what a regular file holds; more than max bytes are an error.
	ReadFile(path string, max int64) ([]byte, error)
	// Names are those of a directory's entries.
	Names(path string) ([]string, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDirectory makes what was renamed in it durable.
	SyncDirectory(path string) error
}

// File is a file that is being written.
type File interface {
	io.WriteCloser
	// Sync makes it durable.
	Sync() error
}

// OSDisk is the machine's own file systems.
type OSDisk struct{}

var _ Disk = OSDisk{}

// MakeDirectory makes a directory that only the agent's user can look into: state
// holds lines of logs.
func (OSDisk) MakeDirectory(path string) error { return os.MkdirAll(path, 0o700) }

// Create makes a file; a link in its place is not followed.
func (OSDisk) Create(path string) (File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600) //nolint:gosec // the path is the operator's own
}

// ReadFile reads a regular file, and nothing that could make it wait for ever.
func (OSDisk) ReadFile(path string, limit int64) (text []byte, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), limit)
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

// Names lists a directory.
func (OSDisk) Names(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

// Rename moves a file within a directory.
func (OSDisk) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file.
func (OSDisk) Remove(path string) error { return os.Remove(path) }

// SyncDirectory fsyncs a directory.
func (OSDisk) SyncDirectory(path string) (err error) {
	directory, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, directory.Close()) }()
	return directory.Sync()
}
