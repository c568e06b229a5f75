package file

import (
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
