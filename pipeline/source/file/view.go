package file

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// Counts tell what became of files.
type Counts struct {
	// Truncated files were cut short while they were read.
	Truncated uint64
	// Lost files were gone before they were read to their ends, or could not be read
	// to them.
	Lost uint64
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
