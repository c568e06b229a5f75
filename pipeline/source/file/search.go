package file

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// maxCandidates bounds how many files are looked into.
const maxCandidates = 256

// rotated opens the files that those at some paths may have been renamed, copied or
// compressed to: PATH.1, PATH.2.gz, PATH-20260131. The oldest come first.
func (f *Follower) rotated(paths ...string) []candidate {
	var found []candidate
	for _, name := range f.rotatedNames(paths) {
		if c, err := openContent(filepath.Join(f.options.Root, name), true); err == nil {
			found = append(found, candidate{path: name, content: c})
		}
	}
	slices.SortStableFunc(found, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.content.info.changed, y.content.info.changed), cmp.Compare(x.content.info.born, y.content.info.born))
	})
	return found
}

// rotatedNames are the paths of such files, of too many those that were written last.
func (f *Follower) rotatedNames(paths []string) []string {
	written := map[string]time.Time{}
	for _, path := range paths {
		dir, base := filepath.Split(path)
		entries, err := os.ReadDir(filepath.Join(f.options.Root, dir))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if !isRotated(entry.Name(), base) || !entry.Type().IsRegular() {
				continue
			}
			if info, err := entry.Info(); err == nil { // else it is gone
				written[filepath.Join(dir, entry.Name())] = info.ModTime()
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(written), func(x, y string) int { return written[y].Compare(written[x]) })
	return names[:min(len(names), maxCandidates)]
}

func isRotated(name, base string) bool {
	rest, ok := strings.CutPrefix(name, base)
	return ok && len(rest) > 1 && (rest[0] == '.' || rest[0] == '-') &&
		!slices.Contains([]string{".tmp", ".swp", ".lock"}, filepath.Ext(name)) && !strings.HasSuffix(name, "~")
}

func closeAll(list []candidate) {
	for _, c := range list {
		c.content.close()
	}
}

// isAfter tells whether a file was at the path after another one, and has not been
// read yet.
func (f *Follower) isAfter(c candidate, after *Position) bool {
	i := &c.content.info
	switch {
	case f.reopened(c.content) != nil:
		return false
	case c.content.gzip == nil && after.at(*i): // it was emptied since, or it is the same
		return after.Offset > 0 && !c.content.is(after) && !f.isKnown(c.content, after)
	case c.content.gzip == nil && i.born != 0 && after.Born != 0: // what compresses makes a new file of an old one
		if i.born <= after.Born || i.changed < after.Changed {
			return false
		}
	case i.changed < after.Changed: // at the same time is after, as far as clocks tick
		return false
	}
	return !f.isKnown(c.content, after)
}

// isKnown tells whether a file holds what is being read, or has been.
func (f *Follower) isKnown(c *content, after *Position) bool {
	if after.Offset > 0 && c.is(after) {
		return true
	}
	for _, p := range f.done {
		// Where births are not known, another file may have the inode by now.
		same := c.gzip == nil && p.at(c.info) && (p.Born != 0 || c.info.size == 0)
		if same || p.Offset > 0 && c.is(&p) {
			return true
		}
	}
	for _, s := range f.streams {
		if p, ok := s.content.end(); ok && c.is(&p) {
			return true
		}
	}
	return false
}

// copyOf opens what was copied of a file before it was truncated, if that holds more
// than was read.
func (f *Follower) copyOf(p *Position, truncated *content) *candidate {
	found := f.rotated(p.Path, f.leads.path)
	slices.Reverse(found)
	at := -1
	for _, packed := range []bool{false, true} {
		for i, c := range found {
			if at < 0 && (c.content.gzip != nil) == packed && !c.isSame(truncated) && p.Offset > 0 && c.content.is(p) {
				at = i
			}
		}
	}
	for i, c := range found {
		if i != at {
			c.content.close()
		}
	}
	if at < 0 {
		return nil
	}
	return &found[at]
}

// goOn searches for the files of before and opens them. done is false while it is to
// be tried again: something may just be renaming them.
func (f *Follower) goOn(now time.Duration) (done bool) {
	if f.giveUpAt == 0 {
		f.giveUpAt = now + f.options.Patience
	}
	found := make([]*candidate, len(f.resuming))
	missing := 0
	for i := range f.resuming {
		if found[i] = f.locate(&f.resuming[i].Position); found[i] == nil && f.resuming[i].Offset > 0 {
			missing++
		}
	}
	if missing > 0 && now < f.giveUpAt {
		for _, c := range found {
			if c != nil {
				c.content.close()
			}
		}
		f.lookAt = now + f.options.Patience/20
		return false
	}
	f.counts.Lost += uint64(missing)
	f.openFound(now, found)
	return true
}

// openFound opens what was found of the files of before, and what was at the path
// since.
func (f *Follower) openFound(now time.Duration, found []*candidate) {
	resuming := f.resuming
	f.resuming = nil
	for i, c := range found {
		f.current = nil // the last one, if it was found
		switch {
		case c == nil:
			f.remember(resuming[i].Position)
		case f.reopened(c.content) != nil: // two positions led to one file
			c.content.close()
		default:
			s := f.open(c.content, c.path, now)
			s.id, s.old = resuming[i].stream, i < len(found)-1
			s.goOn(&resuming[i])
			f.streams = append(f.streams, s)
			f.current = s
			continue
		}
		f.ended = append(f.ended, resuming[i].stream)
	}
	f.openSince(now, resuming[0].Position)
}

// openSince opens what was at the path since the oldest file of before: also what was
// open and not read, and has been compressed.
func (f *Follower) openSince(now time.Duration, oldest Position) {
	f.openAfter(now, &oldest, nil, len(f.streams))
	slices.SortStableFunc(f.streams, func(x, y *stream) int {
		return cmp.Compare(x.content.info.changed, y.content.info.changed)
	})
}

// locate finds the file of a position: the same one, a copy of it, or what gzip made
// of it.
func (f *Follower) locate(p *Position) *candidate {
	var found []candidate
	paths := []string{p.Path}
	if p.Path != f.leads.path {
		paths = append(paths, f.leads.path)
	}
	for _, path := range paths {
		if c, err := openContent(filepath.Join(f.options.Root, path), path != f.leads.path); err == nil {
			found = append(found, candidate{path: path, content: c})
		}
	}
	siblings := f.rotated(paths...)
	slices.Reverse(siblings)
	found = append(found, siblings...)
	best := -1
	for i, c := range found {
		if rank := f.rank(c, p); rank > 0 && (best < 0 || rank > f.rank(found[best], p)) {
			best = i
		}
	}
	if best < 0 {
		closeAll(found)
		return nil
	}
	one := found[best]
	found = slices.Delete(found, best, best+1)
	closeAll(found)
	return &one
}

// rank tells how likely a file is the one of a position; 0: it is not. Another file
// at the path that begins as short a file did may well have the same lines again.
func (f *Follower) rank(c candidate, p *Position) int {
	same := c.content.gzip == nil && p.at(c.content.info)
	switch {
	case p.Offset == 0 && !same, !c.content.is(p):
		return 0
	case same:
		return 3
	case c.path == f.leads.path && (p.Head.Length < headSize || p.Offset < headSize):
		return 0
	case c.content.gzip == nil:
		return 2
	default:
		return 1
	}
}
