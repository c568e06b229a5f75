package file

import (
	"bytes"
	"time"
)

// stream is a file that is being read.
type stream struct {
	// id names it to the follower's holder. A copy of a truncated file has the id
	// that the file had before.
	id      uint64
	content *content
	path    string // resolved

	key        string // of the first line; empty: not known yet
	generation uint64 // if there is a key
	offset     int64  // where the first line starts that was not given
	skipping   bool   // within a line that was cut
	head       []byte
	tail       []byte // before the offset
	changed    int64  // when it was last written, as far as it has been read

	seenSize, seenChanged int64 // when it was read to its end last
	pending               int   // bytes behind the offset that are no line yet
	overtakenFrom         int64 // when it had been written last, before what may be elsewhere
	grown                 time.Duration
	caughtUp              bool  // the end was reached once, or what was there at the start
	startSize             int64 // what was there at the start; 0: it was opened later
	old                   bool  // the path leads elsewhere
	// unproven tells that it was empty when it was found beside the path, or truncated
	// there: it may be a copy that somebody is about to make.
	unproven bool
}

// position is how far it has been read; tail are the bytes before the offset.
func (s *stream) position(tail []byte) Position {
	return Position{
		Path: Name(s.path), Device: s.content.info.device, Inode: s.content.info.inode, Born: s.content.info.born,
		Changed: s.changed, Key: s.key, Generation: s.generation, Offset: s.offset, Skipping: s.skipping,
		Head: printOf(s.head), Tail: printOf(tail),
	}
}

// outcome is what an attempt to read has brought.
type outcome int

const (
	nothing outcome = iota
	someLines
	truncated
	overtaken
	unproven
	failed
)

// fill reads behind the offset. What is no longer what had been read is truncated.
func (s *stream) fill(f *Follower, now time.Duration) (outcome, error) {
	flush := s.pending > 0 && now-s.grown >= f.options.Partial
	if s.content.gzip == nil {
		if err := s.content.stat(); err != nil {
			return failed, err
		}
		if s.content.info.size < s.offset+int64(s.pending) {
			return truncated, nil
		}
		if s.content.info.size == s.seenSize && s.content.info.changed == s.seenChanged && !flush {
			return nothing, nil
		}
	}
	size, changed := s.content.info.size, s.content.info.changed
	if s.unproven && size > 0 {
		return unproven, nil
	}
	if s.offset == 0 && s.pending == 0 && s.changed != changed && s.content.gzip == nil {
		s.overtakenFrom, s.changed = s.changed, changed
		return overtaken, nil
	}
	buffer := f.options.Buffer.bytes[:]
	if s.content.gzip == nil { // what comes meanwhile has another time
		buffer = buffer[:min(int64(len(buffer)), size-s.offset+int64(len(s.tail)))]
	}
	n, err := s.content.readAt(buffer, s.offset-int64(len(s.tail)))
	if err != nil {
		return failed, err
	}
	if n < len(s.tail) || !bytes.Equal(buffer[:len(s.tail)], s.tail) {
		return truncated, nil
	}
	if ok, err := s.checkHead(); err != nil {
		return failed, err
	} else if !ok {
		return truncated, nil
	}
	atEnd := n < bufferSize
	if atEnd {
		s.seenSize, s.seenChanged = size, changed
	}
	data := n - len(s.tail)
	if data > s.pending || s.content.gzip != nil && data > 0 {
		s.grown = now
		flush = flush && data == s.pending
	}
	s.changed = changed
	if data == 0 {
		return nothing, nil
	}
	f.chunk = chunk{stream: s, text: buffer[:n], at: len(s.tail), flush: flush || s.content.gzip != nil && atEnd}
	return someLines, nil
}

// checkHead compares the first bytes, and takes more of them while there are few.
func (s *stream) checkHead() (ok bool, err error) {
	if s.content.gzip != nil && len(s.head) > 0 {
		return true, nil // it does not change
	}
	var buffer [headSize]byte
	n, err := s.content.readAt(buffer[:], 0)
	if err != nil || n < len(s.head) || !bytes.Equal(buffer[:len(s.head)], s.head) {
		return false, err
	}
	if n > len(s.head) {
		s.head = append(s.head, buffer[len(s.head):n]...)
	}
	return true, nil
}

// chunk is what was read last of a stream, and how much of it has been given.
type chunk struct {
	stream *stream // nil: there is none
	text   []byte  // the tail, and what is behind the offset
	at     int
	given  bool // all whole lines have been taken
	flush  bool // what is no whole line has stood for long enough
}

// Line is a line of a file, without its end.
type Line struct {
	// Text is valid until the next Fill.
	Text []byte
	// Offset is where it starts.
	Offset int64
	// Cut tells that it was longer than the limit: the rest is left out.
	Cut bool
}

// next gives a line; without one the chunk is used up.
func (c *chunk) next(limit int) (line Line, ok bool) {
	s := c.stream
	if s == nil {
		return Line{}, false
	}
	if s.skipping && !c.skip() {
		c.given = true
		return Line{}, false
	}
	for c.at < len(c.text) && c.text[c.at] == 0 { // the hole that a truncation leaves
		c.consume(1)
	}
	rest := c.text[c.at:]
	end := bytes.IndexByte(rest, '\n')
	line.Offset = s.offset
	switch {
	case end >= 0:
		line.Text = withoutReturn(rest[:end])
		c.consume(end + 1)
	case len(rest) > limit+1:
		line.Text, s.skipping = rest, true
		c.consume(len(rest))
	case len(rest) > 0 && c.flush:
		line.Text = withoutReturn(rest)
		c.consume(len(rest))
	default:
		c.given = true
		return Line{}, false
	}
	if len(line.Text) > limit {
		line.Text, line.Cut = line.Text[:limit], true
	}
	return line, true
}

// withoutReturn leaves out the first of the two ends that lines have on other systems.
func withoutReturn(text []byte) []byte {
	if end := len(text) - 1; end >= 0 && text[end] == '\r' {
		return text[:end]
	}
	return text
}

// skip leaves out the rest of a line that was cut.
func (c *chunk) skip() (ended bool) {
	end := bytes.IndexByte(c.text[c.at:], '\n')
	if end < 0 {
		c.consume(len(c.text) - c.at)
		return false
	}
	c.consume(end + 1)
	c.stream.skipping = false
	return true
}

func (c *chunk) consume(n int) {
	c.at += n
	c.stream.offset += int64(n)
}

// before returns the bytes before the stream's offset.
func (c *chunk) before() []byte { return last(c.text[:c.at], tailSize) }

// close notes where the stream stands. The chunk is gone.
func (c *chunk) close() {
	s := c.stream
	s.tail = append(s.tail[:0], c.before()...)
	s.pending = len(c.text) - c.at
	if !c.given { // there is more to take, though the file stands
		s.pending, s.seenSize = 0, -1
	}
	*c = chunk{}
}
