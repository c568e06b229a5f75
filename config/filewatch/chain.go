package filewatch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// dataLink is the symlink that kubelet renames to switch all files of a
	// ConfigMap or Secret at once: FILE → ..data/FILE, ..data → ..TIMESTAMP
	// (k8s.io/kubernetes, pkg/volume/util/atomic_writer.go).
	dataLink = "..data"
	// maxLinks is how many symlinks the kernel follows: path_resolution(7).
	maxLinks = 40
	// maxSteps bounds the rest of what hostile symlinks can ask for.
	maxSteps = 512
)

// chain is what a path leads through: every entry of a directory whose change
// may make it lead elsewhere.
type chain struct {
	steps []step
	// file is where it ends, without symlinks; empty: at no regular file.
	file string
	// switches are the mounts of Kubernetes on the way, and what they show.
	switches string
}

// step is one entry of a directory; dir is without symlinks.
type step struct{ dir, name string }

func (c chain) same(other chain) bool {
	return c.file == other.file && slices.Equal(c.steps, other.steps)
}

// follow resolves an absolute path as the kernel does, as far as it leads.
func follow(path string) chain {
	var c chain
	at, rest, links := "/", split(path), 0
	for len(rest) > 0 && len(c.steps) < maxSteps {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		c.steps = append(c.steps, step{at, name})
		here := filepath.Join(at, name)
		info, err := os.Lstat(here)
		switch {
		case err != nil:
			return c
		case info.IsDir():
			at = here
		case info.Mode().Type() == fs.ModeSymlink && links < maxLinks:
			target, err := os.Readlink(here)
			if err != nil {
				return c
			}
			links++
			if name == dataLink {
				c.switches += here + "\x00" + target + "\x00"
			}
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(split(target), rest...)
		default:
			if info.Mode().IsRegular() && len(rest) == 0 {
				c.file = here
			}
			return c
		}
	}
	return c
}

// split keeps "..", which is one directory up from where a symlink leads.
func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
}

// muteFileSystem names the file system that a path ends on, if that is one whose
// files others can write without this kernel's knowledge; else it is empty.
func muteFileSystem(c chain) string {
	if len(c.steps) == 0 {
		return ""
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(c.steps[len(c.steps)-1].dir, &stat); err != nil {
		return ""
	}
	switch uint32(stat.Type) { //nolint:gosec // the magic numbers have 32 bits
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS"
	case unix.CODA_SUPER_MAGIC:
		return "Coda"
	case unix.OCFS2_SUPER_MAGIC:
		return "OCFS2"
	default:
		return ""
	}
}
