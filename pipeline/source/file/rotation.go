package file

import (
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"time"
)

// look finds out what is at the path.
func (f *Follower) look(now time.Duration) {
	first := !f.looked
	leads := resolve(f.options.Root, f.path)
	f.moved = f.moved || leads.path != f.leads.path || !slices.Equal(leads.steps, f.leads.steps)
	f.leads = leads
	here := filepath.Join(f.options.Root, f.leads.path)
	at, err := look(here)
	switch {
	case err == nil && !at.regular:
		err = &fs.PathError{Op: "open", Path: here, Err: errNotRegular}
	case err == nil && len(f.resuming) > 0:
		if !f.goOn(now) {
			return // until they are found, or not searched for any more
		}
		fallthrough
	case err == nil:
		err = f.follow(now, at, first)
	}
	f.looked = f.looked || err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular)
	f.begun = true
	f.fault = nil
	if err != nil {
		f.fault = newFault(filepath.Join(f.options.Root, f.path), err)
	}
}

// follow makes the file at the path the current one.
func (f *Follower) follow(now time.Duration, at info, first bool) error {
	if s := f.current; s != nil && s.content.info.device == at.device && s.content.info.inode == at.inode {
		s.path = f.leads.path
		return nil
	}
	next, err := openContent(filepath.Join(f.options.Root, f.leads.path), false)
	if err != nil {
		return err
	}
	if s := f.reopened(next); s != nil {
		next.close()
		f.retire(now)
		f.makeCurrent(s)
		return nil
	}
	if !first {
		f.between(now, next)
	}
	f.retire(now)
	s := f.open(next, f.leads.path, now)
	f.makeCurrent(s)
	if p, known := f.forget(next); known {
		f.resume(now, s, &Resumed{Position: p, From: p.Offset})
	} else if first && f.options.AtEnd {
		s.toEnd(f.options.MaxLine)
	}
	return nil
}

// retire has the file that was at the path read on for a while.
func (f *Follower) retire(now time.Duration) {
	if f.current != nil {
		f.current.old, f.current.grown = true, now
		f.current = nil
	}
}

// reopened returns the stream of a file that has come back to the path.
func (f *Follower) reopened(c *content) *stream {
	for _, s := range f.streams {
		if s.content.info.device == c.info.device && s.content.info.inode == c.info.inode {
			return s
		}
	}
	return nil
}

// forget takes a file that was done with out of those, if it has come back as it was.
func (f *Follower) forget(c *content) (Position, bool) {
	for i := range f.done {
		if p := f.done[i]; p.at(c.info) && c.is(&p) {
			f.done = append(f.done[:i:i], f.done[i+1:]...)
			return p, true
		}
	}
	return Position{}, false
}

// makeCurrent puts a stream to the end.
func (f *Follower) makeCurrent(s *stream) {
	if at := slices.Index(f.streams, s); at >= 0 {
		f.streams = slices.Delete(f.streams, at, at+1)
	}
	s.old = false
	f.streams = append(f.streams, s)
	f.current, f.moved = s, true
}

// open begins a stream at the beginning of a file. The oldest is lost where there are
// too many.
func (f *Follower) open(c *content, path string, now time.Duration) *stream {
	if len(f.streams) >= MaxFiles {
		f.counts.Lost++
		f.finish(f.streams[0])
	}
	f.streamID++
	s := &stream{id: f.streamID, content: c, path: path, grown: now, changed: c.info.changed, seenSize: -1}
	switch {
	case f.begun && f.looked:
	case c.gzip != nil:
		s.startSize = math.MaxInt64 // up to its end
	default:
		s.startSize = c.info.size
	}
	return s
}

// between opens the files that were at the path after the last one that is known and
// before next: rotations may come faster than looks.
func (f *Follower) between(now time.Duration, next *content) {
	var after Position
	switch {
	case f.current != nil:
		if f.current.content.stat() != nil {
			return
		}
		after = f.current.position(f.current.tail)
		after.Changed = f.current.content.info.changed
	case len(f.streams) > 0:
		after = f.streams[len(f.streams)-1].position(nil)
	case len(f.done) > 0:
		after = f.done[len(f.done)-1]
	default:
		return
	}
	f.openAfter(now, &after, next, len(f.streams))
}

// openAfter opens what was at the path after a file and before next, and has not been
// read yet. The streams stand at a place among the others.
func (f *Follower) openAfter(now time.Duration, after *Position, next *content, at int) {
	var opened []*stream
	for _, c := range f.rotated(PathOf(after.Path), f.leads.path) {
		if len(f.streams)+len(opened) >= MaxFiles-1 || c.isSame(next) || next != nil && c.content.isPartOf(next) || !f.isAfter(c, after) {
			c.content.close()
			continue
		}
		s := f.open(c.content, c.path, now)
		s.old, s.unproven = true, c.content.gzip == nil && c.content.info.size == 0
		opened = append(opened, s)
	}
	f.streams = slices.Insert(f.streams, min(at, len(f.streams)), opened...)
}

// resume goes on with a file that has been read up to somewhere, or with what became
// of it since it was found.
func (f *Follower) resume(now time.Duration, s *stream, r *Resumed) {
	if !s.goOn(r) {
		f.truncated(now, s, r.Position)
	}
}

// truncated goes on with a file that is no longer what it was, up to a position: with
// the rest of it in the copy that was made before, if there is one, then from its
// beginning.
func (f *Follower) truncated(now time.Duration, s *stream, position Position) {
	f.counts.Truncated++
	at := slices.Index(f.streams, s)
	if c := f.copyOf(&position, s.content); c == nil {
		f.ended = append(f.ended, s.id)
		f.remember(position)
	} else {
		rest := f.open(c.content, c.path, now)
		rest.old, rest.id = true, s.id
		rest.goOn(&Resumed{Position: position, From: position.Offset}) // copies are not truncated
		f.streams = slices.Insert(f.streams, at, rest)
		after := rest.position(nil)
		f.openAfter(now, &after, s.content, at+1)
	}
	f.streamID++
	*s = stream{
		id: f.streamID, content: s.content, path: s.path, grown: now, changed: s.content.info.changed, old: s.old, caughtUp: s.caughtUp, seenSize: -1,
		unproven: s.old && s.content.gzip == nil, // the next copy may have been written over it
	}
}

// prove drops a stream that was empty when it was opened, if what it holds now is a
// copy of what is read elsewhere.
func (f *Follower) prove(s *stream) {
	s.unproven = false
	if f.isKnown(s.content, nil) {
		f.drop(s)
		f.ended = append(f.ended, s.id)
	}
}

// overtaken looks for what a file held that was empty when it was seen last and has
// been written since: it may have been copied and truncated meanwhile.
func (f *Follower) overtaken(now time.Duration, s *stream) {
	after := s.position(nil)
	after.Changed = s.overtakenFrom
	f.openAfter(now, &after, s.content, slices.Index(f.streams, s))
}

// goOn sets a stream to where its file, or a copy of it, has been read to. It tells
// whether the file still is what it was: it may just have been truncated.
func (s *stream) goOn(r *Resumed) (ok bool) {
	s.key, s.generation = r.Key, r.Generation
	s.offset, s.skipping, s.changed = r.From, r.Skipping && r.From == r.Offset, r.Changed
	var buffer [headSize]byte
	head := buffer[:max(r.Head.Length, 0)]
	if n, err := s.content.readAt(head, 0); err == nil {
		s.head = append(s.head[:0], head[:n]...)
	}
	tail := buffer[:min(int64(tailSize), s.offset)]
	if n, err := s.content.readAt(tail, s.offset-int64(len(tail))); err == nil {
		s.tail = append(s.tail[:0], tail[:n]...)
	}
	return s.content.stat() == nil && s.content.is(&r.Position)
}

// toEnd sets a stream behind the lines that are there.
func (s *stream) toEnd(limit int) {
	size := s.content.info.size
	buffer := make([]byte, min(size, int64(limit)))
	n, err := s.content.readAt(buffer, size-int64(len(buffer)))
	if err != nil || n < len(buffer) {
		return // from the beginning: it was truncated just now
	}
	at := len(buffer)
	for at > 0 && buffer[at-1] != '\n' {
		at--
	}
	if at == 0 && int64(len(buffer)) < size {
		at, s.skipping = len(buffer), true
	}
	s.offset = size - int64(len(buffer)-at)
	s.tail = append(s.tail, last(buffer[:at], tailSize)...)
}
