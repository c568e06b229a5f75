package mounts

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Usage is how full a file system is (statfs(2)), in bytes. What is free but not
// available is kept for root. A file system without a limit of inodes has none.
type Usage struct {
	Total, Used, Free, Available uint64
	Inodes, FreeInodes           uint64
}

// errHidden says that another file system is mounted over the one that was meant.
var errHidden = errors.New("another file system is mounted over it")

// Statfs asks a file system, by the first of its mounts that is not hidden. It waits
// in the kernel for as long as the file system does not answer.
func Statfs(root string, of *FileSystem) (u Usage, err error) {
	const most = 8 // bind mounts of one file system may be thousands
	for i := range of.Mounts[:min(most, len(of.Mounts))] {
		if u, err = statfsAt(filepath.Join(root, of.Mounts[i].Point), of.Mounts[i].ID); err == nil {
			return u, nil
		}
	}
	return Usage{}, err
}

func statfsAt(path string, mountID int) (Usage, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return Usage{}, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if isHidden(fd, mountID) {
		return Usage{}, fmt.Errorf("ask %s: %w", path, errHidden)
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil {
		return Usage{}, fmt.Errorf("ask %s: %w", path, err)
	}
	return usageOf(&s), nil
}

// isHidden tells whether a path has led to another mount. Kernels before 5.8 do not
// tell the mount's id: there it is what was mounted last.
func isHidden(fd, mountID int) bool {
	var s unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &s)
	return err == nil && s.Mask&unix.STATX_MNT_ID != 0 && s.Mnt_id != uint64(mountID) //nolint:gosec // ids are positive
}

func usageOf(s *unix.Statfs_t) Usage {
	size := uint64(s.Frsize) //nolint:gosec // as below: the kernel's sizes are positive
	if size == 0 {
		size = uint64(s.Bsize) //nolint:gosec // see above
	}
	free := min(s.Bfree, s.Blocks)
	return Usage{
		Total: s.Blocks * size, Used: (s.Blocks - free) * size, Free: free * size, Available: s.Bavail * size,
		Inodes: s.Files, FreeInodes: min(s.Ffree, s.Files),
	}
}
