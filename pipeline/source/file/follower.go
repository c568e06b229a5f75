package file

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

const (
	// MaxLine is the most that a limit of lines may be.
	MaxLine = 64 << 10
	// bufferSize is how much is read at once: some lines of the longest kind.
	bufferSize = 256 << 10
)

// Buffer is what followers read into. Those that one goroutine holds share one.
type Buffer struct{ bytes [bufferSize]byte }

// Options say how to follow.
type Options struct {
	// Root is where the host's root directory is seen; empty: /.
	Root string
	// Buffer is read into: the lines of a Fill must be taken before the next Fill of
	// any follower with the same buffer. nil: one of its own.
	Buffer *Buffer
	// MaxLine is the length, in bytes, at which lines are cut; 0: MaxLine.
	MaxLine int
	// AtEnd begins, where there is no position, behind the lines that are there.
	AtEnd bool
	// Interval is how often the path is looked at that nobody tells of; 0: 1 s.
	Interval time.Duration
	// Partial is how long a last line without an end must have stood to be given;
	// 0: 5 s.
	Partial time.Duration
	// Linger is how long a file that was rotated away is read on; 0: 5 s.
	Linger time.Duration
	// Patience is how long a file that was read before is searched for, where
	// something else is at its path; 0: 2 s.
	Patience time.Duration
}

func (o *Options) setDefaults() {
	if o.Buffer == nil {
		o.Buffer = &Buffer{}
	}
	if o.MaxLine <= 0 || o.MaxLine > MaxLine {
		o.MaxLine = MaxLine
	}
	for _, one := range []struct {
		value   *time.Duration
		initial time.Duration
	}{{&o.Interval, time.Second}, {&o.Partial, 5 * time.Second}, {&o.Linger, 5 * time.Second}, {&o.Patience, 2 * time.Second}} {
		if *one.value <= 0 {
			*one.value = one.initial
		}
	}
}

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
	streamID  uint64
	leads     resolved
	looked    bool // what is new at the path is read from its beginning
	begun     bool // what was there at the start is open, or cannot be opened
	moved     bool // there is something else to watch
	lookAt    time.Duration
	giveUpAt  time.Duration // the search for files; 0: it has not begun
	chunk     chunk
	fault     *Fault // of the path
	readFault *Fault // of the file at it
	ended     []uint64
	counts    Counts
}

// Counts tell what became of files.
type Counts struct {
	// Truncated files were cut short while they were read.
	Truncated uint64
	// Lost files were gone before they were read to their ends, or could not be read
	// to them.
	Lost uint64
}

// New makes a follower of a path of the host, which opens nothing yet.
func New(path string, options Options) *Follower {
	options.setDefaults()
	return &Follower{path: path, options: options}
}

// Path is the one that is followed.
func (f *Follower) Path() string { return f.path }

// Resumed is a file to go on with.
type Resumed struct {
	Position
	// From is where to read from, at most the position's offset: what is between has
	// been given before.
	From int64

	stream uint64
}

// Resume makes the follower go on from positions. It is called before the first Fill.
// The files get the streams 1, 2 … in this order; done ones are only remembered.
func (f *Follower) Resume(files []Resumed) {
	for _, one := range files {
		f.streamID++
		if one.Done {
			f.remember(one.Position)
			continue
		}
		one.stream = f.streamID
		f.resuming = append(f.resuming, one)
	}
	f.looked = true
}

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
			f.truncated(now, s)
			i = -1 // a copy of what it was comes first
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

// Line returns the next line of the last Fill, and which stream it is of.
func (f *Follower) Line() (line Line, of Stream, ok bool) {
	s := f.chunk.stream
	line, ok = f.chunk.next(f.options.MaxLine)
	if !ok {
		f.endChunk()
		return Line{}, Stream{}, false
	}
	if s.key == "" {
		f.name(s)
	}
	return line, Stream{ID: s.id, Key: s.key, Generation: s.generation}, true
}

// Stream names a file as it is read.
type Stream struct {
	// ID tells it from others of this follower; 0 is none.
	ID uint64
	// Key is a fingerprint of its first line.
	Key string
	// Generation counts the files before it that had the same.
	Generation uint64
}

// name gives a file its key, and a number where others had the same.
func (f *Follower) name(s *stream) {
	key := keyOf(s.head)
	for _, file := range f.Files() {
		if file.Key == key {
			s.generation = max(s.generation, file.Generation+1)
		}
	}
	s.key = key
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

// finish closes a stream that was read to its end.
func (f *Follower) finish(s *stream) {
	f.remember(s.position(s.tail))
	f.drop(s)
	f.ended = append(f.ended, s.id)
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

func (f *Follower) remember(p Position) {
	p.Done = true
	f.done = append(f.done, p)
	f.done = f.done[max(0, len(f.done)-maxDone):]
}

// File is how far a file has been read.
type File struct {
	Position
	// Stream is its stream's ID; 0: it is done with.
	Stream uint64
}

// Files returns how far the files have been read, up to the last Line: the done ones,
// then those that are open, the oldest first.
func (f *Follower) Files() []File {
	var files []File
	for _, p := range f.done {
		files = append(files, File{Position: p})
	}
	for _, one := range f.resuming {
		files = append(files, File{Position: one.Position, Stream: one.stream})
	}
	for _, s := range f.streams {
		tail := s.tail
		if f.chunk.stream == s {
			tail = f.chunk.before()
		}
		files = append(files, File{Position: s.position(tail), Stream: s.id})
	}
	return files
}

// IsUnseen tells that it is not known yet what was at the path at the start: it could
// not be looked at. AtEnd still holds for it.
func (f *Follower) IsUnseen() bool { return !f.looked }

// TakeEnded returns the streams that have ended since it was asked last: no more
// lines of them will come.
func (f *Follower) TakeEnded() []uint64 {
	ended := f.ended
	f.ended = nil
	return ended
}

// TakeCounts returns what has happened since it was asked last.
func (f *Follower) TakeCounts() Counts {
	counts := f.counts
	f.counts = Counts{}
	return counts
}

// Fault tells why the path cannot be read; nil: it can.
func (f *Follower) Fault() *Fault { return cmp.Or(f.fault, f.readFault) }

// IsAbsent tells whether nothing is at the path.
func (f *Follower) IsAbsent() bool { return f.fault != nil && errors.Is(f.fault, fs.ErrNotExist) }

// IsNoFile tells whether nothing is at the path, or a directory, a FIFO or the like.
func (f *Follower) IsNoFile() bool {
	return f.IsAbsent() || f.fault != nil && errors.Is(f.fault, errNotRegular)
}

// IsOpen tells whether files are open: there may be more of them to read.
func (f *Follower) IsOpen() bool { return len(f.streams) > 0 }

// TakeMoved tells whether [Follower.Watches] has changed since it was asked last.
func (f *Follower) TakeMoved() bool {
	moved := f.moved
	f.moved = false
	return moved
}

// CaughtUp tells whether all has been given that was there at the first Fill, as far as
// that could be read.
func (f *Follower) CaughtUp() bool {
	if !f.begun || f.chunk.stream != nil {
		return false
	}
	return !slices.ContainsFunc(f.streams, func(s *stream) bool { return !s.caughtUp })
}

// Wait tells how long there is nothing to do unless the kernel tells of a change.
func (f *Follower) Wait(now time.Duration) time.Duration {
	wait := f.lookAt - now
	for _, s := range f.streams {
		if s.pending > 0 {
			wait = min(wait, s.grown+f.options.Partial-now)
		}
		if s.old {
			wait = min(wait, f.options.Interval/2)
		}
	}
	return max(wait, time.Millisecond)
}

// Close closes all files.
func (f *Follower) Close() {
	for len(f.streams) > 0 {
		f.drop(f.streams[0])
	}
	f.chunk = chunk{}
}
