package hoststat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// describe adds what /sys says of block devices (Documentation/ABI/testing/sysfs-block).
// A device that has gone meanwhile keeps its counters alone.
func (r *Reader) describe(disks []Disk) error {
	if err := r.view.SeesSys(); err != nil {
		return err
	}
	names, err := directory(r.view.SysPath("block"))
	if err != nil {
		return fmt.Errorf("list the block devices: %w", err)
	}
	whole := make(map[string]bool, len(names))
	for _, name := range names {
		whole[name] = true
	}
	for i := range disks {
		d := &disks[i]
		// A slash in a device's name is an exclamation mark in /sys.
		inSys := strings.ReplaceAll(d.Name, "/", "!")
		if whole[inSys] {
			r.describeDisk(d, r.view.SysPath("block/"+inSys))
		} else {
			r.describePartition(d, inSys)
		}
	}
	return nil
}

// directory lists a directory.
func directory(path string) ([]string, error) {
	dir, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return dir.Readdirnames(-1)
}

// openDirectory never waits: with O_DIRECTORY a FIFO in its place is an error.
func openDirectory(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0) //nolint:gosec // below the host's own /proc and /sys
}

func (r *Reader) describeDisk(d *Disk, dir string) {
	d.Kind = kindOf(d)
	d.Size = r.sectors(dir)
	if d.Kind == KindMapper {
		d.Mapper = r.word(dir + "/dm/name")
	}
	switch {
	case d.Kind == KindRAM, d.Kind == KindLoop && d.Size == 0 && r.word(dir+"/loop/backing_file") == "":
		return
	}
	d.Root = !r.hasEntries(dir + "/slaves")
}

// hasEntries tells whether there is anything in a directory, with fewer calls than the
// standard library's.
func (r *Reader) hasEntries(path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.ReadDirent(fd, r.file.buffer)
	if err != nil || n <= 0 {
		return false
	}
	_, count, _ := unix.ParseDirent(r.file.buffer[:n], 1, nil)
	return count > 0
}

// describePartition finds the disk of a partition: its directory is in that of the
// disk, to which a link leads.
func (r *Reader) describePartition(d *Disk, inSys string) {
	link, err := os.Readlink(r.view.SysPath("class/block/" + inSys))
	if err != nil {
		return
	}
	d.Kind = KindPartition
	d.Parent = strings.ReplaceAll(filepath.Base(filepath.Dir(link)), "!", "/")
	d.Size = r.sectors(r.view.SysPath("class/block/" + inSys))
}

// sectors is the size of a device in bytes.
func (r *Reader) sectors(dir string) (size uint64) {
	_ = r.file.read(dir+"/size", func(text []byte) error {
		line, _ := nextLine(text)
		n, err := number(line)
		if err == nil {
			size, err = times(n, sector)
		}
		return err
	})
	return size
}

// word is the first line of a file that may not be there.
func (r *Reader) word(path string) (word string) {
	_ = r.file.read(path, func(text []byte) error {
		line, _ := nextLine(text)
		word = clean(string(line))
		return nil
	})
	return word
}

// kindOf tells what a whole device is, by its major number
// (Documentation/admin-guide/devices.txt) or, where that is not fixed, by the name that
// its driver gives it.
func kindOf(d *Disk) DiskKind {
	switch d.Major {
	case 1:
		return KindRAM
	case 2:
		return KindFloppy
	case 7:
		return KindLoop
	case 9:
		return KindRAID
	case 11:
		return KindROM
	case 43, 147:
		return KindNetwork
	}
	for _, one := range []struct {
		prefix string
		kind   DiskKind
	}{{"dm-", KindMapper}, {"zram", KindZRAM}, {"md", KindRAID}, {"rbd", KindNetwork}, {"drbd", KindNetwork}} {
		if strings.HasPrefix(d.Name, one.prefix) {
			return one.kind
		}
	}
	return KindDisk
}
