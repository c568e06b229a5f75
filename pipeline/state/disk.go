package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
)

// The names in the state directory.
const (
	fileName = "state.json"
	// newName is one fixed name: whatever happens, at most one unfinished file is
	// left behind.
	newName  = "state.json.new"
	lockName = "lock"
)

// Disk is the operations on one state directory, where a simulation can stand in.
// Names are those of files in it. One goroutine uses it at a time; any call may
// take for ever.
type Disk interface {
	// Lock makes the directory unless it is there, and takes its lock unless that
	// is held and still stands. The error is [ErrLocked] where another process
	// has it.
	Lock() error
	// Create makes a new file, for writing. The error is [fs.ErrExist] where
	// there is anything of that name.
	Create(name string) (File, error)
	// Read returns a file, and of a larger one limit+1 bytes. The error is
	// [fs.ErrNotExist], or [ErrCorrupt] where it is no regular file.
	Read(name string, limit int) ([]byte, error)
	// Rename gives a file another name, in the place of what has that name.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// Names returns the names in the directory.
	Names() ([]string, error)
	// Sync returns when what the operations before made of the directory is
	// durable.
	Sync() error
	// Close gives the lock back. It may be called twice, and without Lock.
	Close() error
}

// File is a file being written.
type File interface {
	io.WriteCloser
	// Sync returns when what was written is durable.
	Sync() error
}

// replace makes data the state file: all of it or, after a crash at any point,
// what was there before.
func replace(disk Disk, data []byte) error {
	err := stage(disk, data)
	if err == nil {
		err = disk.Rename(newName, fileName)
	}
	if err != nil {
		_ = disk.Remove(newName) // it takes space that others need; at worst the next attempt finds it
		return err
	}
	faultpoint.Reach("state.rename")
	if err := disk.Sync(); err != nil {
		return err
	}
	faultpoint.Reach("state.directory")
	return nil
}

// stage writes data into the new file.
func stage(disk Disk, data []byte) error {
	file, err := create(disk)
	if err != nil {
		return err
	}
	faultpoint.Reach("state.create")
	if err := fill(file, data); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

func fill(file File, data []byte) error {
	if n, err := file.Write(data); err != nil {
		return err
	} else if n < len(data) {
		return fmt.Errorf("write %d of %d bytes: %w", n, len(data), io.ErrShortWrite)
	}
	faultpoint.Reach("state.write")
	if err := file.Sync(); err != nil {
		return err
	}
	faultpoint.Reach("state.fsync")
	return nil
}

// create makes the new file, in the place of one that was left behind.
func create(disk Disk) (File, error) {
	file, err := disk.Create(newName)
	if !errors.Is(err, fs.ErrExist) {
		return file, err
	}
	if err := disk.Remove(newName); err != nil {
		return nil, err
	}
	return disk.Create(newName)
}
