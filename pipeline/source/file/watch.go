package file

import (
	"path/filepath"

	"github.com/otelnpd/otelnpd/pipeline/inotify"
)

// Watches adds what the kernel is to tell of: the entries of directories on the way
// to the file, symlinks included, and the file itself. It is asked after a Fill.
func (f *Follower) Watches(to map[string]inotify.Names) {
	for _, s := range f.leads.steps {
		if to[s.dir] == nil {
			to[s.dir] = inotify.Names{}
		}
		to[s.dir][s.name] = true
	}
	if f.current != nil { // those that were renamed are looked at more often
		to[filepath.Join(f.options.Root, f.current.path)] = nil
	}
}
