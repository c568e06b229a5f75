package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

const (
	// maxDirectories bounds how many directories are looked at.
	maxDirectories = 256
	// racy is how old a directory's last change must be at least to be sure that its
	// time would have moved with another one.
	racy = time.Second
)

// directory is one that was looked at.
type directory struct {
	info     fs.FileInfo
	looked   time.Time
	names    []string // of journal files, at that time
	children []string
}

// candidate is a file that is not open.
type candidate struct {
	path     string
	inode    inode
	modified time.Time
}

// scan looks for files that are new, and tells whether there are any.
func (r *Reader) scan() (found bool) {
	for _, f := range r.files {
		f.seen = false
	}
	for id, s := range r.finished {
		s.seen = false
		r.finished[id] = s
	}
	listed := map[string]*directory{}
	for _, path := range r.options.Directories {
		d := r.list(path, listed)
		if d == nil {
			continue
		}
		for _, child := range d.children {
			if r.isWanted(child) {
				r.list(filepath.Join(path, child), listed)
			}
		}
	}
	for path := range listed {
		found = found || r.directories[path] == nil // it was not watched yet
	}
	r.directories = listed
	var candidates []candidate
	for path, d := range listed {
		for _, name := range d.names {
			if c, closed := r.meet(filepath.Join(path, name)); closed {
				candidates = append(candidates, c)
			}
		}
	}
	found = r.openNewest(candidates) || found
	r.forget()
	r.watch()
	return found
}

// isWanted tells whether a subdirectory is of a machine that is read.
func (r *Reader) isWanted(name string) bool {
	id, err := journalfile.ParseID(name)
	return err == nil && (r.options.MachineID.IsZero() || id == r.options.MachineID)
}

// list lists a directory, unless it is as it was; nil: it cannot be read.
func (r *Reader) list(path string, listed map[string]*directory) *directory {
	if d := listed[path]; d != nil {
		return d
	}
	if len(listed) >= maxDirectories {
		r.faults[filepath.Dir(path)] = fmt.Errorf("%d journal directories are read, and no more can be, as %s: remove those of machines that are gone, or name others", maxDirectories, path)
		return nil
	}
	d, err := listDirectory(path, r.directories[path])
	if err != nil {
		r.faults[path] = err
		return nil
	}
	listed[path] = d
	return d
}

func listDirectory(path string, before *directory) (*directory, error) {
	info, err := os.Stat(path)
	if target, _ := os.Readlink(path); errors.Is(err, fs.ErrNotExist) && target != "" {
		return nil, fmt.Errorf("the journal directory %s is a link to %s, which is not there: in a container mount that, too", path, target)
	}
	if err != nil {
		return nil, fmt.Errorf("look into the journal directory: %w", err)
	}
	d := &directory{info: info, looked: time.Now()}
	if before != nil && os.SameFile(before.info, info) && before.info.ModTime().Equal(info.ModTime()) && before.looked.Sub(info.ModTime()) > racy {
		return before, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("list the journal directory: %w", err)
	}
	for _, entry := range entries {
		d.add(entry)
	}
	return d, nil
}

// add notes a directory's entry, if it is of a kind that systemd would read: links are
// followed, what is neither file nor directory is nobody's journal.
func (d *directory) add(entry fs.DirEntry) {
	name, kind := entry.Name(), entry.Type()
	isLink := kind&fs.ModeSymlink != 0
	switch {
	case isJournal(name) && (isLink || kind.IsRegular()):
		d.names = append(d.names, name)
	case isLink || kind.IsDir():
		d.children = append(d.children, name)
	}
}

// meet looks at a file that a directory lists; closed: it is one that may be opened.
func (r *Reader) meet(path string) (c candidate, closed bool) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, false // renamed or deleted meanwhile
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file") // and opening one may wake or hold up somebody
	}
	if err != nil {
		r.faults[path] = fmt.Errorf("look at the journal file %s: %w", path, err)
		return c, false
	}
	id, ok := inodeOf(info)
	if !ok {
		return c, false
	}
	for _, f := range r.files {
		if f.inode == id {
			f.path, f.seen = path, true
			return c, false
		}
	}
	if s, finished := r.finished[id]; finished && s.size == info.Size() && s.modified.Equal(info.ModTime()) {
		s.seen = true
		r.finished[id] = s
		return c, false
	}
	return candidate{path: path, inode: id, modified: info.ModTime()}, true
}

// openNewest opens files, as many as can be open: the newest. The others wait until
// some are read to their end.
func (r *Reader) openNewest(candidates []candidate) (found bool) {
	waiting := map[inode]bool{}
	if free := max(r.options.MaxFiles-len(r.files), 0); len(candidates) > free {
		slices.SortFunc(candidates, func(a, b candidate) int {
			return cmp.Or(b.modified.Compare(a.modified), cmp.Compare(a.path, b.path))
		})
		for _, c := range candidates[free:] {
			waiting[c.inode] = true
		}
		r.faults[candidates[free].path] = fmt.Errorf("%d journal files are open, and no more can be: %d older ones are left out (remove old ones: journalctl --vacuum-files=100)",
			r.options.MaxFiles, len(candidates)-free)
		candidates = candidates[:free]
	}
	for _, c := range candidates {
		found = r.open(c.path) || found
	}
	r.waiting = waiting
	return found
}

// open opens a file, and tells whether it could.
func (r *Reader) open(path string) bool {
	opened, err := journalfile.Open(path, journalfile.Options{Cache: r.cache, MaxField: r.options.MaxField})
	if errors.Is(err, journalfile.ErrUnfinished) || errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		r.faults[path] = err
		return false
	}
	f := &file{File: opened, path: path, seen: true}
	f.inode, _ = inodeOf(opened.Info())
	if f.all, err = opened.Iterator(nil); err == nil {
		f.i, err = opened.Iterator(r.options.Matches)
	}
	if err != nil {
		r.faults[path] = err
		_ = opened.Close()
		return false
	}
	f.series = r.seriesOf(opened.Header().SeqnumID)
	f.series.incomplete = true // one that was there before it is perhaps gone already
	r.files = append(r.files, f)
	if r.waiting[f.inode] {
		r.countLate(f)
	}
	r.place(f)
	return true
}

// forget notes which files are deleted.
func (r *Reader) forget() {
	for _, f := range r.files {
		switch {
		case f.seen:
			f.deleted = time.Time{}
		case f.deleted.IsZero():
			f.deleted = time.Now()
		}
	}
	for id, s := range r.finished {
		if !s.seen {
			delete(r.finished, id)
		}
	}
	if len(r.failures) > r.options.MaxFiles {
		clear(r.failures)
	}
}

// watch has the kernel tell of changes in the directories, and of those that are
// missing or unreadable in the nearest one above that is there.
func (r *Reader) watch() {
	if r.notifier == nil {
		return
	}
	wanted := map[string]string{}
	for path := range r.directories {
		wanted[path] = ""
	}
	for _, path := range r.options.Directories {
		for at := filepath.Clean(path); r.directories[at] == nil && at != "/"; {
			parent, name := filepath.Dir(at), filepath.Base(at)
			if info, err := os.Stat(parent); err == nil && info.IsDir() {
				if _, whole := wanted[parent]; !whole {
					wanted[parent] = name
				}
				break
			}
			at = parent
		}
	}
	r.blind = r.notifier.watch(wanted)
}

// Directories returns how many directories are read.
func (r *Reader) Directories() int { return len(r.directories) }
