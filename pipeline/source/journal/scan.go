package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

const (
	// maxFiles bounds how many files are open at once, maxDirectories how many
	// directories are looked at.
	maxFiles       = 1024
	maxDirectories = 256
	// racy is how old a directory's last change must be at least to be sure that its
	// time would have moved with another one.
	racy = time.Second
)

// directory is one that was looked at.
type directory struct {
	modified, looked time.Time
	names            []string // of journal files, at that time
	children         []string
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
	for path, d := range listed {
		for _, name := range d.names {
			found = r.meet(filepath.Join(path, name)) || found
		}
	}
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
	if d := listed[path]; d != nil || len(listed) >= maxDirectories {
		return d
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
	if err != nil {
		return nil, fmt.Errorf("look into the journal directory: %w", err)
	}
	d := &directory{modified: info.ModTime(), looked: time.Now()}
	if before != nil && before.modified.Equal(d.modified) && before.looked.Sub(d.modified) > racy {
		return before, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("list the journal directory: %w", err)
	}
	for _, entry := range entries {
		switch name := entry.Name(); {
		case entry.IsDir():
			d.children = append(d.children, name)
		case isJournal(name):
			d.names = append(d.names, name)
		}
	}
	return d, nil
}

// meet looks at a file that a directory lists, and tells whether it is a new one.
func (r *Reader) meet(path string) bool {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false // renamed or deleted meanwhile
	}
	if err != nil {
		r.faults[path] = fmt.Errorf("look at the journal file: %w", err)
		return false
	}
	id, ok := inodeOf(info)
	if !ok {
		return false
	}
	for _, f := range r.files {
		if f.inode == id {
			f.path, f.seen = path, true
			return false
		}
	}
	if s, finished := r.finished[id]; finished && s.size == info.Size() && s.modified.Equal(info.ModTime()) {
		s.seen = true
		r.finished[id] = s
		return false
	}
	return r.open(path)
}

// open opens a file, unless it is open under another inode: a copy.
func (r *Reader) open(path string) bool {
	if len(r.files) >= maxFiles {
		r.faults[path] = fmt.Errorf("%d journal files are open already, and no more can be", maxFiles)
		return false
	}
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
	r.files = append(r.files, f)
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
	if len(r.failures) > maxFiles {
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
