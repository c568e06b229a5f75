package file

import (
	"path/filepath"
	"slices"
	"time"
)

// maxDone is how many files are remembered that were read to their ends.
const maxDone = 16

// Follower follows one path. One goroutine may use it. Times are those of one clock
// that never goes back, since any moment.
type Follower struct {
	path    string // the host's
	options Options

	streams   []*stream // the oldest first
	current   *stream   // the one at the path, the last of them; nil: there is none
	resuming  []Resumed // not found again yet
	done      []Position
	forgotten forgotten // those that were done before them
	streamID  uint64
	leads     resolved
	looked    bool // what is new at the path is read from its beginning
	begun     bool // what was there at the start is open, or cannot be opened
	moved     bool // there is something else to watch
	lookAt    time.Duration
	giveUpAt  time.Duration // the search for files; 0: it has not begun
	chunk     chunk
	of        Stream // that of the last line
	fault     *Fault // of the path
	readFault *Fault // of the file at it
	ended     []uint64
	counts    Counts
}

// New makes a follower of a path of the host, which opens nothing yet.
func New(path string, options Options) *Follower {
	options.setDefaults()
	return &Follower{path: path, options: options}
}

// Path is the one that is followed.
func (f *Follower) Path() string { return f.path }

// Changed tells that the kernel has told of a change: the next Fill looks.
func (f *Follower) Changed() { f.lookAt = 0 }

// Fill reads some of what is new, and tells whether there may be lines: take them all
// by Line. Calling it again at once reads more.
func (f *Follower) Fill(now time.Duration) bool {
	f.endChunk()
	if now >= f.lookAt {
		f.lookAt = now + f.options.Interval
		f.look(now)
	}
	for i := 0; i < len(f.streams); i++ {
		s := f.streams[i]
		what, err := s.fill(f, now)
		if s == f.current && what != failed {
			f.readFault = nil
		}
		switch what {
		case someLines:
			return true
		case truncated:
			f.truncated(now, s, s.position(s.tail))
			i = -1 // a copy of what it was comes first
		case unproven:
			f.prove(s)
			i = -1
		case overtaken:
			f.overtaken(now, s)
			i = -1
		case failed:
			if f.fail(s, err) {
				i--
			}
		case nothing:
			s.caughtUp = true
			if f.isOver(s, now) {
				f.finish(s)
				i--
			}
		}
	}
	return false
}

// Line returns the next line of the last Fill, and which stream it is of; that is valid
// until the next call.
func (f *Follower) Line() (line Line, of *Stream, ok bool) {
	s := f.chunk.stream
	line, ok = f.chunk.next(f.options.MaxLine)
	if !ok {
		f.endChunk()
		return Line{}, nil, false
	}
	if s.key == "" || f.of.ID != s.id {
		f.name(s)
	}
	return line, &f.of, true
}

func (f *Follower) endChunk() {
	if s := f.chunk.stream; s != nil {
		f.chunk.close()
		s.caughtUp = s.caughtUp || s.offset >= s.startSize
	}
}

// isOver tells whether nothing more is to be expected of a stream that has nothing
// new.
func (f *Follower) isOver(s *stream, now time.Duration) bool {
	if s.content.gzip != nil {
		return true
	}
	if !s.old && s.content.info.links > 0 || now-s.grown < f.options.Linger {
		return false
	}
	if s.pending > 0 { // its last line has no end, and is given now
		s.grown = now - f.options.Partial
		return false
	}
	return s.old || s.content.info.links == 0
}

// fail deals with a stream that cannot be read: the file at the path is tried again,
// another one is closed.
func (f *Follower) fail(s *stream, err error) (closed bool) {
	if s == f.current {
		f.readFault = newFault(filepath.Join(f.options.Root, s.path), err)
		return false
	}
	f.counts.Lost++
	f.finish(s)
	return true
}

func (f *Follower) drop(s *stream) {
	s.content.close()
	f.streams = slices.DeleteFunc(f.streams, func(one *stream) bool { return one == s })
	if f.current == s {
		f.current = nil
	}
}

// Close closes all files.
func (f *Follower) Close() {
	for len(f.streams) > 0 {
		f.drop(f.streams[0])
	}
	f.chunk = chunk{}
}
