package kmsg

import (
	"log/slog"
	"sync"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Options are what a [Shared] works with.
type Options struct {
	// Logger tells of what no subscriber is told.
	Logger *slog.Logger
	// Clock tells when records are read.
	Clock pipeline.Clock
}

// Shared lets any number of subscribers share one reader a path. It is safe for
// concurrent use.
type Shared struct {
	options Options
	tuning  tuning

	mu      sync.Mutex
	sources map[string]*source
}

// tuning is what tests set differently.
type tuning struct {
	chunks      int
	recordSize  int
	beforeDrain func()
}

// NewShared returns a Shared that reads nothing yet.
func NewShared(options Options) *Shared {
	return &Shared{
		options: options,
		tuning:  tuning{chunks: maxChunks, recordSize: MaxRecord},
		sources: map[string]*source{},
	}
}

// Subscriber takes records and hears how the source does. Its functions must not
// call into the [Subscription].
type Subscriber struct {
	// Resume is the sequence number to go on from: what is missing from there on is
	// lost, what is before it comes as a batch's Context. 0: there is none; the
	// oldest record is the first.
	Resume uint64
	// Offsets are those that times had before, so that a record that is read again
	// has the same time. The first subscriber of a path that brings some decides.
	// nil: none are known.
	Offsets *Offsets
	// Batch takes records. Calls do not overlap. While it works, no other
	// subscriber of the path gets anything, but the reader goes on.
	Batch func(Batch)
	// State is told, first during Subscribe, that the source is read (nil) or
	// why not; then it is tried again and again.
	State func(*Fault)
}

// Subscribe begins to give to all records of the kernel's log at path, from the
// oldest that the kernel still has. When it returns, the source is open or
// to has heard why not; what is written from now on is not backlog. Proc is
// where /proc is, to find out about missing rights.
func (s *Shared) Subscribe(path, proc string, to Subscriber) *Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := newSubscription(s, to)
	if running, ok := s.sources[path]; ok {
		sub.source = running
		running.users++
		running.offsets.restore(to.Offsets)
		running.add(sub)
		return sub
	}
	sub.source = newSource(s, path, proc)
	s.sources[path] = sub.source
	sub.source.offsets.restore(to.Offsets)
	sub.source.start(sub)
	return sub
}

// leave takes one user off a source and tells whether it was the last.
func (s *Shared) leave(from *source) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from.users--
	if from.users > 0 {
		return false
	}
	delete(s.sources, from.path)
	return true
}
