package file

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"
)

// copyOf opens what was copied of a file before it was truncated, if that holds more
// than was read.
func (f *Follower) copyOf(p *Position, truncated *content) *candidate {
	found := f.rotated(PathOf(p.Path), f.leads.path)
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
		var ended bool
		if found[i], ended = f.locate(&f.resuming[i].Position); found[i] == nil && !ended && f.resuming[i].Offset > 0 {
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
		case c == nil && resuming[i].Offset == 0: // nothing is known of it, and it may be found below
		case c == nil:
			f.remember(resuming[i].Position)
		case f.reopened(c.content) != nil: // two positions led to one file
			c.content.close()
		default:
			s := f.open(c.content, c.path, now)
			s.id, s.old = resuming[i].stream, i < len(found)-1
			f.streams = append(f.streams, s)
			f.current = s
			f.resume(now, s, &resuming[i])
			continue
		}
		f.ended = append(f.ended, resuming[i].stream)
	}
	f.openSince(now, resuming[0].Position)
}

// openSince opens what was at the path since the oldest file of before: also what was
// open and not read, and has been compressed.
func (f *Follower) openSince(now time.Duration, oldest Position) {
	next, err := openContent(filepath.Join(f.options.Root, f.leads.path), false)
	if err == nil {
		defer next.close()
	}
	f.openAfter(now, &oldest, next, len(f.streams))
	for _, s := range f.streams {
		if s.offset == 0 { // all that was there before has just been found
			s.changed = s.content.info.changed
		}
	}
	slices.SortStableFunc(f.streams, func(x, y *stream) int {
		return cmp.Compare(x.content.info.changed, y.content.info.changed)
	})
}

// locate finds the file of a position: the same one, a copy of it, or what gzip made
// of it. ended tells that there is only a copy that was made before the last lines were
// written that were read: nothing is to be read of it.
func (f *Follower) locate(p *Position) (one *candidate, ended bool) {
	var found []candidate
	paths := []string{PathOf(p.Path)}
	if paths[0] != f.leads.path {
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
	for i, c := range found {
		if i != best {
			ended = ended || best < 0 && c.content.isShortOf(p)
			c.content.close()
		}
	}
	if best < 0 {
		return nil, ended
	}
	return &found[best], false
}

// rank tells how likely a file is the one of a position; 0: it is not. Another file
// at the path that begins as short a file did may well have the same lines again.
func (f *Follower) rank(c candidate, p *Position) int {
	same := c.content.gzip == nil && p.at(c.content.info)
	unread := c.content.gzip != nil && p.at(c.content.info) && p.Changed == c.content.info.changed
	switch {
	case p.Offset == 0 && !same && !unread, !c.content.is(p):
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
