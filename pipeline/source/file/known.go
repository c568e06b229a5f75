package file

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

// isKnown tells whether a file holds what is being read, or has been: it is that file,
// or a copy of it, perhaps one that is not whole yet.
func (f *Follower) isKnown(c *content, after *Position) bool {
	// In this order: what is not part of a file any more, since that was truncated, has
	// been copied to its end by then.
	for _, s := range f.streams {
		if s.content != c && c.isPartOf(s.content) {
			return true
		}
	}
	if c.gzip == nil && c.stat() != nil {
		return false // it is gone as well
	}
	if after != nil && c.holds(after) {
		return true
	}
	for _, s := range f.streams {
		if s.content == c {
			continue
		}
		read := s.position(s.tail)
		if end, ok := s.content.end(); c.holds(&read) || ok && c.is(&end) {
			return true
		}
	}
	for i := range f.done {
		if f.isDone(c, &f.done[i]) {
			return true
		}
	}
	return false
}

// isDone tells whether a file is one that was done with.
func (f *Follower) isDone(c *content, p *Position) bool {
	// Where births are not known, another file may have the inode by now.
	same := c.gzip == nil && p.at(c.info) && (p.Born != 0 || c.info.size == 0)
	return same || c.holds(p)
}

// isPartOf tells whether a file holds what another one begins with: it is a copy of
// that, which is under way or has just been made.
func (c *content) isPartOf(other *content) bool {
	if c.info.born != 0 && other.info.born != 0 && c.info.born < other.info.born {
		return false // no copy is older
	}
	end, ok := c.end()
	if !ok || other.gzip == nil && other.stat() != nil {
		return false
	}
	return other.is(&end)
}

// holds tells whether a file has been read up to a position, elsewhere or before it was
// copied, or is a copy that was made before the last of that was written.
func (c *content) holds(p *Position) bool {
	return p.Offset > 0 && (c.is(p) || c.isShortOf(p))
}

// isShortOf tells whether a file is a copy of the one of a position, made before the
// last lines were written that were read of that. It begins alike, ends before the
// offset, and was written no later than what was read.
func (c *content) isShortOf(p *Position) bool {
	return p.Offset > 0 && c.info.changed <= p.Changed && c.begins(p) && c.length(p.Offset) < p.Offset
}

// length is how long a file is, at most so long as asked for.
func (c *content) length(most int64) int64 {
	if c.gzip == nil {
		return min(c.info.size, most)
	}
	var one [1]byte
	if n, _ := c.readAt(one[:], most-1); n == 1 {
		return most
	}
	return most - 1
}
