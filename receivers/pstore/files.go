package pstore

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds of what one look reads: far above what a backend holds, which is tens
// of KiB as a rule.
const (
	maxFiles    = 1024
	maxFileSize = 1 << 20
	maxLines    = 1 << 15 // of a file
	maxSize     = 8 << 20 // of all files
	maxAllLines = 1 << 17
	maxEntries  = 4096 // of a directory
	maxDepth    = 2    // of directories below the archive
)

// Why files are left out.
const (
	skipNotRegular = "not_regular"
	skipUnknown    = "unknown_type"
	skipCompressed = "compressed"
	skipUnreadable = "unreadable"
	skipTooLarge   = "too_large"
	skipTooMany    = "too_many"
	skipTooOld     = "too_old"
	skipEmpty      = "empty"
	skipThisBoot   = "this_boot"
	skipCovered    = "covered"
	skipCleanEnd   = "clean_end"
)

// skipReasons are all of them.
var skipReasons = []string{
	skipNotRegular, skipUnknown, skipCompressed, skipUnreadable, skipTooLarge, skipTooMany,
	skipTooOld, skipEmpty, skipThisBoot, skipCovered, skipCleanEnd,
}

// file is one that was found, and once it has been read, its content.
type file struct {
	fileName
	directory string // from which path begins
	path      string
	time      time.Time // when it was saved, as far as its directory knows
	size      int64
	live      bool // shown by the kernel: it can be removed
	content   []byte
}

// look reads directories once.
type look struct {
	oldest time.Time // what is older is left out
	skip   func(path, reason string)
	files  []file
	faults []error // files and directories that may not be read
}

// unsetClock is a time before which no clock can have been right.
var unsetClock = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// list finds the files of a directory, and of the directories in it. One that is
// not there has none.
func (l *look) list(directory string, live bool) {
	root, err := openDirectory(directory)
	if err != nil {
		l.fault(directory, err)
		return
	}
	defer func() { _ = root.Close() }()
	depth := maxDepth
	if live {
		depth = 0
	}
	l.listIn(root, ".", depth, live)
}

// openDirectory opens a directory, and nothing else: who opens a FIFO waits for ever.
func openDirectory(path string) (*os.Root, error) {
	return os.OpenRoot(path + "/") // the kernel opens nothing else with the slash: path_resolution(7)
}

func (l *look) listIn(root *os.Root, path string, depth int, live bool) {
	whole := filepath.Join(root.Name(), path)
	directory, err := root.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		l.fault(whole, err)
		return
	}
	entries, err := directory.ReadDir(maxEntries + 1)
	_ = directory.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		l.fault(whole, err)
	}
	if len(entries) > maxEntries {
		l.skip(whole, skipTooMany)
		entries = entries[:maxEntries]
	}
	for _, entry := range entries {
		below := filepath.Join(path, entry.Name())
		switch {
		case entry.IsDir() && depth > 0:
			l.listIn(root, below, depth-1, live)
		case !entry.IsDir():
			l.add(root, below, entry, live)
		}
	}
}

// add takes in a file, unless its name or its age say that it is not wanted.
func (l *look) add(root *os.Root, path string, entry fs.DirEntry, live bool) {
	whole := filepath.Join(root.Name(), path)
	name, known := parseName(entry.Name())
	if !known {
		l.skip(whole, skipUnknown)
		return
	}
	if !entry.Type().IsRegular() {
		l.skip(whole, skipNotRegular)
		return
	}
	info, err := root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // moved meanwhile: the archive has it
	case err != nil:
		l.unreadable(whole, err)
	case info.ModTime().Before(l.oldest) && info.ModTime().After(unsetClock):
		l.skip(whole, skipTooOld)
	case name.compressed:
		l.skip(whole, skipCompressed)
	case info.Size() > maxFileSize:
		l.skip(whole, skipTooLarge)
	default:
		l.files = append(l.files, file{
			fileName: name, directory: root.Name(), path: path, time: info.ModTime(), size: info.Size(), live: live,
		})
	}
}

// read reads what was found, the newest files first, as far as the bounds let.
func (l *look) read() []file {
	slices.SortFunc(l.files, func(x, y file) int {
		return cmp.Or(y.time.Compare(x.time), cmp.Compare(x.directory, y.directory), cmp.Compare(x.path, y.path))
	})
	var read []file
	size, lines := 0, 0
	for _, f := range l.files {
		whole := filepath.Join(f.directory, f.path)
		if len(read) == maxFiles || size+int(f.size) > maxSize || lines >= maxAllLines {
			l.skip(whole, skipTooMany)
			continue
		}
		content, reason, err := f.read()
		if reason != "" {
			l.skip(whole, reason)
		}
		if err != nil {
			l.fault(whole, err)
		}
		if reason != "" || err != nil {
			continue
		}
		f.content = content
		size += len(content)
		lines += bytes.Count(content, []byte{'\n'})
		read = append(read, f)
	}
	return read
}

// read returns the content, or why there is none.
func (f *file) read() (content []byte, reason string, err error) {
	root, err := openDirectory(f.directory)
	if err != nil {
		return nil, skipUnreadable, err
	}
	defer func() { _ = root.Close() }()
	open, err := root.OpenFile(f.path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", err
	case err != nil:
		return nil, skipUnreadable, err
	}
	defer func() { _ = open.Close() }()
	info, err := open.Stat()
	if err != nil || !info.Mode().IsRegular() { // another one since it was found
		return nil, skipNotRegular, err
	}
	content, err = io.ReadAll(io.LimitReader(open, maxFileSize+1))
	switch {
	case err != nil:
		return nil, skipUnreadable, fmt.Errorf("read %s: %w", f.path, err)
	case len(content) > maxFileSize, bytes.Count(content, []byte{'\n'}) > maxLines:
		return nil, skipTooLarge, nil
	case len(bytes.Trim(content, blanks)) == 0:
		return nil, skipEmpty, nil
	default:
		return content, "", nil
	}
}

func (l *look) unreadable(path string, err error) {
	l.skip(path, skipUnreadable)
	l.fault(path, err)
}

// fault notes what may not be read. What is not there, or no more, is none.
func (l *look) fault(path string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		l.faults = append(l.faults, fmt.Errorf("read %s: %w", path, err))
	}
}
