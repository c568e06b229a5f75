package mounts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// FileSystem is a file system and all places where it, or a part of it, is mounted:
// a bind mount is no file system of its own.
type FileSystem struct {
	Device string  // major:minor
	Mounts []Mount // that which tells most of it first; at least one
}

// String names it in a message: /var (/dev/sda1, ext4).
func (f *FileSystem) String() string {
	first := &f.Mounts[0]
	return fmt.Sprintf("%s (%s, %s)", first.Point, first.Source, first.Type)
}

// Point is where it is mounted.
func (f *FileSystem) Point() string { return f.Mounts[0].Point }

// Group makes file systems of mounts, in the order of their names.
func Group(mounts []Mount) (list []FileSystem) {
	byDevice := map[string]int{}
	for _, m := range mounts {
		i, known := byDevice[m.Device]
		if !known {
			i = len(list)
			byDevice[m.Device] = i
			list = append(list, FileSystem{Device: m.Device})
		}
		list[i].Mounts = append(list[i].Mounts, m)
	}
	for i := range list {
		slices.SortStableFunc(list[i].Mounts, compareMounts)
	}
	slices.SortFunc(list, func(x, y FileSystem) int {
		return cmp.Or(cmp.Compare(x.Point(), y.Point()), cmp.Compare(x.Device, y.Device))
	})
	return list
}

// compareMounts puts a mount of the whole before those of parts, and a short path
// before long ones.
func compareMounts(x, y Mount) int {
	return cmp.Or(
		cmp.Compare(len(x.Root), len(y.Root)), cmp.Compare(len(x.Point), len(y.Point)),
		cmp.Compare(x.Point, y.Point),
	)
}

// IsBelow tells whether a path is a directory or below it.
func IsBelow(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
