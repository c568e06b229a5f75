package apiserver

import (
	"os"
	"slices"
	"time"
)

// fileCheckPeriod is how often files are looked at, at most.
const fileCheckPeriod = time.Minute

// fileWatch tells whether files were written or replaced since they were read.
type fileWatch struct {
	stamps  []fileStamp
	checked time.Time
}

type fileStamp struct {
	path string
	info os.FileInfo // nil: there was none
}

func newFileWatch() *fileWatch { return &fileWatch{checked: time.Now()} }

// add notes how files are before they are read; empty paths are left out.
func (w *fileWatch) add(paths ...string) {
	for _, path := range paths {
		if path != "" {
			w.stamps = append(w.stamps, stamp(path))
		}
	}
}

func stamp(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{path: path}
	}
	return fileStamp{path: path, info: info}
}

// hurry makes changed look now.
func (w *fileWatch) hurry() { w.checked = time.Time{} }

// changed looks at the files, once in a fileCheckPeriod.
func (w *fileWatch) changed() bool {
	if time.Since(w.checked) < fileCheckPeriod {
		return false
	}
	w.checked = time.Now()
	return slices.ContainsFunc(w.stamps, func(before fileStamp) bool { return !before.same(stamp(before.path)) })
}

func (s fileStamp) same(now fileStamp) bool {
	if s.info == nil || now.info == nil {
		return s.info == nil && now.info == nil
	}
	return os.SameFile(s.info, now.info) && s.info.Size() == now.info.Size() && s.info.ModTime().Equal(now.info.ModTime())
}
