package checks

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// ReadonlyFilesystemConfig is which file systems the kernel has made read-only, since
// it found them damaged or their disk gone. One that was mounted so, or that somebody
// has made so on purpose (mount -o remount,ro), is well. Each file system is an
// instance; its figure is 1 where it is read-only, else 0.
type ReadonlyFilesystemConfig struct {
	Base           `yaml:",inline"`
	MountSelection `yaml:",inline"`
}

func defaultReadonlyFilesystem() ReadonlyFilesystemConfig {
	return ReadonlyFilesystemConfig{
		Base: Base{
			Enabled: true, Condition: "ReadonlyFilesystem",
			Warn: Limit{Reason: "FilesystemIsReadOnly"},
			Fail: Limit{Enter: 1, Reason: "FilesystemIsReadOnly"},
		},
		MountSelection: MountSelection{Types: append(localTypes(), "vfat", "exfat", "ntfs3")},
	}
}

func (c *ReadonlyFilesystemConfig) entry() entry {
	return entry{
		name: "readonly_filesystem", class: "fs-readonly", unit: count, base: &c.Base, asks: c, instances: true,
		brings:   readonlyType(),
		validate: c.MountSelection.validate,
		measures: func(s *system) measure {
			r := readonlyWatch{system: s, selection: &c.MountSelection}
			return r.measure
		},
	}
}

// readonlyType is declared as the rule pack kernel declares it, whose rules read of
// the same in the kernel's log: both hold one condition.
func readonlyType() condition.Type {
	return healthyType("ReadonlyFilesystem", "FilesystemIsNotReadOnly", "Filesystem is not read-only")
}

// readonlyWatch finds file systems that the kernel has made read-only. A mountinfo
// file says "ro" twice: of a mount, and of the file system behind it. Who mounts or
// remounts one read-only sets both (mount(8)); the kernel sets the latter alone.
type readonlyWatch struct {
	system    *system
	selection *MountSelection
	// bound are the mounts that were read-only while their file system was not: ro bind
	// mounts, of which nothing follows later.
	bound map[int]bool
	seen  mountsSeen
}

func (r *readonlyWatch) measure(context.Context) (measured, error) {
	found, err := r.system.hostMounts(r.selection)
	if err != nil {
		return measured{}, err
	}
	list := mounts.Group(found)
	m := measured{complete: r.seen.complete(list)}
	bound := map[int]bool{}
	for _, one := range list {
		m.figures = append(m.figures, r.figure(&one))
		for i := range one.Mounts {
			id := one.Mounts[i].ID
			if one.Mounts[i].ReadOnly && (r.bound[id] || !one.Mounts[i].Has("ro")) {
				bound[id] = true
			}
		}
	}
	r.bound = bound // those that are gone are forgotten: ids are used again
	return m, nil
}

func (r *readonlyWatch) figure(of *mounts.FileSystem) figure {
	f := figure{instance: of.Point()}
	why := r.evidence(of)
	if why == "" && of.Mounts[0].Has("ro") {
		options := "its options are " + of.Mounts[0].FSOptions
		switch wanted, unwanted := r.wanted(of); {
		case wanted == 0 && unwanted > 0:
			why = "it is mounted to be written to, but " + options
		case unwanted > 0 && wanted > 0:
			// Somebody may have made it so by one of its mounts, or that may have been so before.
			f.atMost = 1
		}
	}
	if why != "" {
		f.value, f.text = 1, of.String()+" was made read-only by the kernel: "+why
		return f
	}
	f.text = of.String() + " was not made read-only by the kernel"
	return f
}

// evidence says what proves that the kernel has found a file system damaged and
// writes to it no more; empty: nothing does.
func (r *readonlyWatch) evidence(of *mounts.FileSystem) string {
	first := &of.Mounts[0]
	if first.Type != "ext4" {
		return ""
	}
	switch {
	// ext4 writes these itself, the former since Linux 6.15 (ext4_show_options).
	case first.Has("emergency_ro"), first.Has("shutdown"):
		return "its options are " + first.FSOptions
	case first.Has("ro") && r.system.ext4FailedInThisBoot(first):
		return "it has found errors in this boot"
	}
	return ""
}

// wanted counts the mounts that say that somebody wanted the file system read-only,
// and those that say the contrary.
func (r *readonlyWatch) wanted(of *mounts.FileSystem) (wanted, unwanted int) {
	for i := range of.Mounts {
		switch {
		case !of.Mounts[i].ReadOnly:
			unwanted++
		case !r.bound[of.Mounts[i].ID]:
			wanted++
		}
	}
	return wanted, unwanted
}

// ext4FailedInThisBoot tells whether a file system has noted an error since the node
// has booted (Documentation/ABI/testing/sysfs-fs-ext4; the time since Linux 4.19).
func (s *system) ext4FailedInThisBoot(m *mounts.Mount) bool {
	if m.Type != "ext4" {
		return false
	}
	dir, err := s.ext4Directory(m.Device)
	if err != nil {
		return false
	}
	errs, err := readNumber(filepath.Join(dir, "errors_count"))
	if err != nil || errs == 0 {
		return false
	}
	last, err := readNumber(filepath.Join(dir, "last_error_time"))
	if err != nil {
		return false
	}
	now := s.clock.Now()
	// The wall clock may have been set since; what is older than the boot by less than
	// that cannot be told from it, and is left to the kernel's log.
	return !time.Unix(int64(min(last, 1<<40)), 0).Before(now.Wall.Add(-now.Boot))
}

var errNoDirectory = errors.New("the file system has no directory in sysfs")

// ext4Directory finds what sysfs says of the ext4 file system on a device: the
// directory has the device's name.
func (s *system) ext4Directory(device string) (string, error) {
	target, err := os.Readlink(s.sys("dev/block/" + device))
	if err != nil {
		return "", err
	}
	dir := s.sys("fs/ext4/" + filepath.Base(target))
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", errNoDirectory
	}
	return dir, nil
}
