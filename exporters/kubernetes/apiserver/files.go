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

// watchFiles notes how files are now; empty paths are left out. It is called
// before or after they are read by a process that is slower than neither: a
// change in between is seen as one.
func watchFiles(paths []string) *fileWatch {
	watch := &fileWatch{checked: time.Now()}
	for _, path := range paths {
		if path != "" {
			watch.stamps = append(watch.stamps, stamp(path))
		}
	}
	return watch
}

func stamp(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{path: path}
	}
	return fileStamp{path: path, info: info}
}

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
