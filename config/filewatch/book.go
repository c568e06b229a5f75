package filewatch

import (
	"slices"
	"time"
)

// book knows what has been told of every file and what has been seen of it
// since. It has no clock and reads no file.
type book struct {
	settle time.Duration
	files  map[string]*file
	// since is when the content of any file was last seen to change.
	since time.Time
}

type file struct {
	told, seen fingerprint
	// missed: it has been told to be gone.
	missed bool
}

// verdict is what a look brings.
type verdict struct {
	// changed: contents differ from what they were, and have stood.
	changed bool
	// gone are files that are no longer there, sorted; each is told once.
	gone []string
	// wait is how long the contents have yet to stand; 0: nothing is open.
	wait time.Duration
}

func newBook(settle time.Duration) book {
	return book{settle: settle, files: map[string]*file{}}
}

// track sets the files. Those that it has keep what has been told of them.
func (b *book) track(found map[string]fingerprint) {
	files := map[string]*file{}
	for path, one := range found {
		files[path] = b.files[path]
		if files[path] == nil {
			files[path] = &file{told: one, seen: one}
		}
	}
	b.files = files
}

// step takes what a look at the files has shown.
func (b *book) step(now time.Time, found map[string]fingerprint) verdict {
	for path, f := range b.files {
		seen := found[path]
		if !seen.same(f.seen) {
			b.since = now
		}
		f.seen = seen
		if seen.same(f.told) {
			f.told, f.missed = seen, false
		}
	}
	pending, gone, switched := b.open()
	if len(pending)+len(gone) == 0 {
		return verdict{}
	}
	if rest := b.since.Add(b.settle).Sub(now); rest > 0 && !switched {
		return verdict{wait: rest}
	}
	for _, path := range gone {
		b.files[path].missed = true
	}
	for _, f := range pending {
		f.told, f.missed = f.seen, false
	}
	return verdict{changed: len(pending) > 0, gone: gone}
}

// open returns the files whose content is not the one told, and those that are
// gone. switched: all of that came by a switch, which is whole at once.
func (b *book) open() (pending []*file, gone []string, switched bool) {
	switched = true
	for path, f := range b.files {
		switch {
		case f.seen.same(f.told):
		case f.seen.found:
			pending = append(pending, f)
			switched = switched && f.seen.switchedFrom(f.told)
		case !f.missed:
			gone = append(gone, path)
			switched = false
		}
	}
	slices.Sort(gone)
	return pending, gone, switched
}
