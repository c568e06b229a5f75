package file

import (
	"cmp"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// candidate is an open file that may be what somebody looks for.
type candidate struct {
	path    string // resolved
	content *content
}

func (c *candidate) isSame(other *content) bool {
	return other != nil && c.content.info.device == other.info.device && c.content.info.inode == other.info.inode
}

func closeAll(list []candidate) {
	for _, c := range list {
		c.content.close()
	}
}

const (
	// maxCandidates bounds how many files are looked into.
	maxCandidates = 256
	// maxListings bounds how often they are listed anew while somebody renames them.
	maxListings = 5
)

// rotated opens the files that those at some paths may have been renamed, copied or
// compressed to: PATH.1, PATH.2.gz, PATH-20260131. The oldest come first.
func (f *Follower) rotated(paths ...string) []candidate {
	names := f.rotatedNames(paths)
	var found []candidate
	for range maxListings {
		found = f.openRotated(names)
		again := f.rotatedNames(paths)
		if maps.EqualFunc(names, again, func(x, y entry) bool { return x.inode == y.inode }) {
			break
		}
		closeAll(found) // what was renamed meanwhile may not be among them
		names = again
	}
	slices.SortStableFunc(found, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.content.info.changed, y.content.info.changed), cmp.Compare(x.content.info.born, y.content.info.born))
	})
	return dropPacking(found)
}

// entry is a name in a directory.
type entry struct {
	written time.Time
	inode   uint64
}

// rotatedNames are the paths of such files.
func (f *Follower) rotatedNames(paths []string) map[string]entry {
	names := map[string]entry{}
	for _, path := range paths {
		dir, base := filepath.Split(path)
		entries, err := os.ReadDir(filepath.Join(f.options.Root, dir))
		if err != nil {
			continue
		}
		for _, one := range entries {
			if !isRotated(one.Name(), base) || !one.Type().IsRegular() {
				continue
			}
			if info, err := one.Info(); err == nil { // else it is gone
				names[filepath.Join(dir, one.Name())] = entry{info.ModTime(), inodeOf(info)}
			}
		}
	}
	return names
}

func inodeOf(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// openRotated opens them, of too many those that were written last.
func (f *Follower) openRotated(names map[string]entry) (found []candidate) {
	newest := slices.SortedFunc(maps.Keys(names), func(x, y string) int {
		return cmp.Or(names[y].written.Compare(names[x].written), cmp.Compare(x, y))
	})
	for _, name := range newest[:min(len(newest), maxCandidates)] {
		c, err := openContent(filepath.Join(f.options.Root, name), true)
		if err != nil {
			continue
		}
		if c.gzip == nil && isPackedName(name) { // it is being made, or no file of gzip's
			c.close()
			continue
		}
		found = append(found, candidate{path: name, content: c})
	}
	return found
}

const packedEnd = ".gz"

func isPackedName(name string) bool { return strings.HasSuffix(name, packedEnd) }

// otherEnds are those of names that are no logs, or that cannot be unpacked here.
var otherEnds = []string{".tmp", ".swp", ".lock", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"}

func isRotated(name, base string) bool {
	rest, ok := strings.CutPrefix(name, base)
	return ok && len(rest) > 1 && (rest[0] == '.' || rest[0] == '-') &&
		!slices.Contains(otherEnds, filepath.Ext(name)) && !strings.HasSuffix(name, "~")
}

// dropPacking closes what is being compressed of a file that is there too: who does
// that removes the file only once all of it is packed.
func dropPacking(found []candidate) []candidate {
	return slices.DeleteFunc(found, func(c candidate) bool {
		if c.content.gzip == nil {
			return false
		}
		for _, other := range found {
			if other.content.gzip == nil && other.path+packedEnd == c.path && c.content.beginsAs(other.content) {
				c.content.close()
				return true
			}
		}
		return false
	})
}

// beginsAs tells whether the first bytes of two are the same, as far as one of them
// goes.
func (c *content) beginsAs(other *content) bool {
	var own, others [headSize]byte
	n, _ := c.readAt(own[:], 0) // of what is not packed to the end yet, less can be read
	m, err := other.readAt(others[:], 0)
	n = min(n, m)
	return err == nil && string(own[:n]) == string(others[:n])
}
