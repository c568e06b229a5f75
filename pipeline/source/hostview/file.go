package hostview

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Open opens a file of the host, and follows links as the host would: one to
// /run/… leads below View.Root, not into the agent's container.
func (v View) Open(path string) (*os.File, error) {
	root := filepath.Clean(v.Root)
	if root == "/" {
		return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) //nolint:gosec // a path of the project's own
	}
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	full := filepath.Join(v.Root, path)
	fd, err := unix.Openat2(int(dir.Fd()), path, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old kernel, or an engine that filters calls
		return nil, NewBlind("links in "+v.Root+" cannot be followed as the host does", "run Linux 5.6 or later with a container engine that allows openat2, or turn the check off")
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: full, Err: err}
	}
	return os.NewFile(uintptr(fd), full), nil
}

// ReadFile reads a small file of the host.
func (v View) ReadFile(path string) (string, error) {
	file, err := v.Open(path)
	if err != nil {
		return "", err
	}
	if err := isRegular(file); err != nil {
		return "", errors.Join(err, file.Close())
	}
	return readAll(file)
}
