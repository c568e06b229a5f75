package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/filelock"
)

// ErrLocked is a state directory that another process uses.
var ErrLocked = errors.New("the state directory is in use by another otelnpd")

// directory is a real state directory.
type directory struct {
	path string
	lock *filelock.Lock // nil: not held
}

// NewDisk returns the state directory at path. It does nothing before it is
// asked to.
func NewDisk(path string) Disk { return &directory{path: path} }

func (d *directory) name(name string) string { return filepath.Join(d.path, name) }

func (d *directory) Lock() error {
	if d.lock != nil {
		if stands, err := d.lock.Stands(); stands || err != nil {
			return err
		}
		// The directory was removed under us: another process may have made it
		// anew, and have it.
		_ = d.Close()
	}
	if err := d.mkdir(); err != nil {
		return err
	}
	lock, err := filelock.Take(d.name(lockName))
	if held, ok := errors.AsType[*filelock.HeldError](err); ok {
		return fmt.Errorf("%w: %w", ErrLocked, held)
	}
	if err != nil {
		return fmt.Errorf("take the lock of the state directory: %w", err)
	}
	d.lock = lock
	return nil
}

// mkdir makes the directory, for its owner alone: it holds lines of logs.
func (d *directory) mkdir() error {
	if d.isThere() {
		return nil
	}
	parent := filepath.Dir(d.path)
	if err := os.MkdirAll(parent, 0o755); err != nil { //nolint:gosec // what is private is the directory below it
		return fmt.Errorf("make the state directory: %w", err)
	}
	if err := os.Mkdir(d.path, 0o700); err != nil && !d.isThere() {
		return fmt.Errorf("make the state directory: %w", err)
	}
	return syncDirectory(parent)
}

func (d *directory) isThere() bool {
	info, err := os.Stat(d.path)
	return err == nil && info.IsDir()
}

func (d *directory) Create(name string) (File, error) {
	return os.OpenFile(d.name(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
}

// Read does not wait for what is no file, such as a named pipe.
func (d *directory) Read(name string, limit int) ([]byte, error) {
	return readFile(d.name(name), limit)
}

func readFile(path string, limit int) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, corrupt("%s is no regular file but %s", path, info.Mode())
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data := make([]byte, 0, min(info.Size(), int64(limit))+1)
	return readUpTo(file, data, limit+1)
}

// readUpTo reads until limit bytes are there, or the end.
func readUpTo(file io.Reader, data []byte, limit int) ([]byte, error) {
	for len(data) < limit {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := file.Read(data[len(data):min(cap(data), limit)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (d *directory) Rename(from, to string) error { return os.Rename(d.name(from), d.name(to)) }

func (d *directory) Remove(name string) error { return os.Remove(d.name(name)) }

func (d *directory) Names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

func (d *directory) Sync() error { return syncDirectory(d.path) }

// syncDirectory makes the names in a directory durable. Some file systems cannot,
// and say so by EINVAL: there is nothing more to be done then.
func syncDirectory(path string) error {
	file, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

func (d *directory) Close() error {
	if d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close()
}

// Read reads the state in a directory, and changes nothing there: no lock, nothing
// set aside. The error is [fs.ErrNotExist] where there is none, [ErrCorrupt],
// [ErrNewer], or that of ctx: reading does not wait for a disk that hangs.
func Read(ctx context.Context, dir string) (Document, error) {
	return within(ctx, func() (Document, error) {
		return load(NewDisk(dir))
	})
}

func load(disk Disk) (Document, error) {
	data, err := disk.Read(fileName, MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return Document{}, fmt.Errorf("there is no state yet: %w", err)
	}
	if err != nil {
		return Document{}, fmt.Errorf("read the state: %w", err)
	}
	return Decode(data)
}

// within calls f, and waits for it as long as ctx lets; then f goes on alone.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		value, err := f()
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		select {
		case r := <-results: // both were there: the process had been stopped, not the disk
			return r.value, r.err
		default:
		}
		var none T
		return none, fmt.Errorf("%w: %w", errNoAnswer, ctx.Err())
	}
}
