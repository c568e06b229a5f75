package hoststat

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// isRemote tells whether a server or a process answers for a type of file system.
func isRemote(fsType []byte) bool {
	switch string(fsType) {
	case "nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "glusterfs", "lustre", "gpfs", "beegfs", "afs", "fuse", "fuseblk":
		return true
	}
	return bytes.HasPrefix(fsType, []byte("fuse."))
}

// wanted tells which types of file systems hold data: those that the kernel mounts from
// a block device, ZFS, and where that is asked for those of servers and processes.
func (r *Reader) wanted() (func(fsType []byte) bool, error) {
	local := map[string]bool{}
	err := r.proc("filesystems", func(text []byte) error {
		for len(text) > 0 {
			var line []byte
			line, text = nextLine(text)
			if name, nodev := bytes.CutPrefix(line, []byte("nodev\t")); !nodev || string(name) == "zfs" {
				local[strings.TrimSpace(string(name))] = true
			}
		}
		return nil
	})
	remote := r.options.Remote
	return func(fsType []byte) bool {
		if isRemote(fsType) {
			return remote || string(fsType) == "fuseblk"
		}
		return local[string(fsType)]
	}, err
}

// readFileSystems asks each file system how full it is. The node's first process knows
// where and how they are mounted; the agent asks by what it can reach itself.
func (r *Reader) readFileSystems(ctx context.Context, f *FileSystems) error {
	wanted, err := r.wanted()
	if err != nil {
		return err
	}
	own, err := r.mounts.Own(wanted)
	if err != nil {
		return err
	}
	first := own // where nobody knows better
	if r.unseen == nil {
		if first, err = mounts.Read(r.view.ProcPath("1/mountinfo"), wanted); err != nil {
			return err
		}
	}
	reached := map[string]mounts.Answer{}
	for _, one := range r.asker.All(ctx, mounts.Group(own)) {
		reached[one.Of.Device] = one
	}
	list := mounts.Group(first)
	f.Each = make([]FileSystem, 0, len(list))
	for i := range list {
		one, err := fileSystem(&list[i], reached)
		if r.unseen != nil { // a container may have mounted it otherwise
			one.Options, one.ReadOnly = "", list[i].Mounts[0].Has("ro")
		}
		if err != nil {
			return err
		}
		f.Each = append(f.Each, one)
	}
	return nil
}

func fileSystem(of *mounts.FileSystem, reached map[string]mounts.Answer) (one FileSystem, err error) {
	m := &of.Mounts[0]
	one = FileSystem{
		Device: clean(m.Source), MountPoint: clean(m.Point), Type: clean(m.Type), Options: clean(m.Options),
		ReadOnly: m.ReadOnly || m.Has("ro"), Remote: isRemote([]byte(m.Type)),
	}
	major, minor, _ := strings.Cut(m.Device, ":")
	for _, number := range []struct {
		text string
		to   *uint32
	}{{major, &one.Major}, {minor, &one.Minor}} {
		if *number.to, err = device(number.text); err != nil {
			return one, fmt.Errorf("the device of %s: %w", of, err)
		}
	}
	answer, ok := reached[of.Device]
	if !ok {
		one.Err = hostview.NewBlind("the agent does not see the file system "+of.String(),
			"mount the host's / into the agent's container with mountPropagation: HostToContainer")
		return one, nil
	}
	u := &answer.Usage
	one.Err = answer.Err
	one.Total, one.Used, one.Free, one.Available = u.Total, u.Used, u.Free, u.Available
	one.Inodes, one.InodesFree = u.Inodes, u.FreeInodes
	return one, nil
}

// device reads a major or minor number.
func device(text string) (uint32, error) {
	n, err := number([]byte(text))
	if err != nil || n > math.MaxUint32 {
		return 0, fmt.Errorf("%.20q is no number of a device", text)
	}
	return uint32(n), nil
}

// name tells by which block device each file system is: by its number, or where it has
// one of its own (btrfs) by what it is mounted from.
func (r *Reader) name(n *Reading) {
	byNumber := make(map[[2]uint32]*Disk, len(n.Disks.Each))
	byName := make(map[string]*Disk, len(n.Disks.Each))
	for i := range n.Disks.Each {
		d := &n.Disks.Each[i]
		byNumber[[2]uint32{d.Major, d.Minor}] = d
		byName["/dev/"+d.Name] = d
		if d.Mapper != "" {
			byName["/dev/mapper/"+d.Mapper] = d
		}
	}
	for i := range n.FileSystems.Each {
		f := &n.FileSystems.Each[i]
		d := byNumber[[2]uint32{f.Major, f.Minor}]
		if d == nil {
			d = byName[f.Device]
		}
		if d == nil || f.Remote && f.Type != "fuseblk" {
			continue
		}
		f.Disk = d.Name
		if filepath.Dir(f.Device) == "/dev/mapper" || f.Device == "/dev/root" {
			f.Device = "/dev/" + d.Name
		}
	}
}
