package checks

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// localTypes are the file systems that hold a node's own data and can be written to.
// Those that only the kernel fills, images, layers and memory are none, and one on a
// server is the server's.
func localTypes() []string {
	return []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "jfs", "reiserfs"}
}

// mountsSeen is where file systems were at the last look.
type mountsSeen map[string]bool

// complete tells whether a list of file systems may be taken for whole: at the second
// look only, where one is gone. Before Linux 5.8 reading a mountinfo file may leave out
// a mount while others are unmounted (the kernel's commit 9f6c61f96f2d).
func (s *mountsSeen) complete(list []mounts.FileSystem) bool {
	now := make(mountsSeen, len(list))
	for i := range list {
		now[list[i].Point()] = true
	}
	last := *s
	*s = now
	for point := range last {
		if !now[point] {
			return false
		}
	}
	return true
}

// MountSelection says which file systems count.
type MountSelection struct {
	// Types are the types of file systems that count.
	Types []string `yaml:"types"`
	// Exclude are directories: what is mounted there or below does not count.
	Exclude []string `yaml:"exclude"`
}

func (c *MountSelection) validate() error {
	var errs []error
	if len(c.Types) == 0 {
		errs = append(errs, pipeline.At("types", errors.New("is empty: write at least one type, for example ext4")))
	}
	for i, one := range c.Types {
		if one == "" || strings.ContainsAny(one, " \t\n,") {
			errs = append(errs, pipeline.At(fmt.Sprintf("types[%d]", i), fmt.Errorf("%q is no type of a file system: write for example ext4", one)))
		}
	}
	for i, one := range c.Exclude {
		if !filepath.IsAbs(one) || filepath.Clean(one) != one {
			errs = append(errs, pipeline.At(fmt.Sprintf("exclude[%d]", i), fmt.Errorf("%q is no directory: write an absolute path, for example /boot", one)))
		}
	}
	return errors.Join(errs...)
}

// wants tells whether a type counts.
func (c *MountSelection) wants(fsType []byte) bool {
	return slices.Contains(c.Types, string(fsType))
}

// leave returns the mounts that are not excluded.
func (c *MountSelection) leave(list []mounts.Mount) []mounts.Mount {
	return slices.DeleteFunc(list, func(m mounts.Mount) bool {
		return slices.ContainsFunc(c.Exclude, func(dir string) bool { return mounts.IsBelow(m.Point, dir) })
	})
}

// hostMounts returns the mounts that count as the host's first process sees them.
func (s *system) hostMounts(c *MountSelection) ([]mounts.Mount, error) {
	list, err := s.mounts.First(c.wants)
	return c.leave(list), err
}

// ownMounts returns those that the agent itself can reach.
func (s *system) ownMounts(c *MountSelection) ([]mounts.Mount, error) {
	list, err := s.mounts.Own(c.wants)
	return c.leave(list), err
}
