// Package outbox holds the bounded queue between a pipeline and what an
// exporter sends to.
//
// An exporter accepts records by putting them into its outbox, which never
// waits: when it is full, the oldest record of the lowest severity goes, and is
// counted. One goroutine of the exporter takes records out, oldest first; what
// it has taken stays in the outbox, out of reach of overflow, until it is done
// or goes back.
//
// What an outbox holds can outlive it: Snapshot tells it, Refill brings it to the
// next one.
package outbox

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/log"
)

// DefaultMaxBytes is the bound of an exporter's outbox.
const DefaultMaxBytes = 4 << 20

// overhead is what an entry is reckoned to take beside its payload, so that
// many small entries are bounded too.
const overhead = 96

// The reasons for which an outbox drops records.
const (
	// ReasonFull is an outbox that had no room: the destination is too slow or
	// away.
	ReasonFull = "outbox_full"
	// ReasonTooLarge is a record larger than the whole outbox.
	ReasonTooLarge = "too_large"
	// ReasonShutdown is a record that could not be sent before the agent ended.
	ReasonShutdown = "shutdown"
)

// ErrClosed is what Put returns after Close, and what Next returns once a
// closed outbox is empty.
var ErrClosed = errors.New("the outbox is closed")

// severities are those of the log data model, 0 (undefined) to 24 (fatal4).
const severities = int(log.SeverityFatal4) + 1

// Entry is a record on its way out.
//
// It can be written as JSON and read back if T can.
type Entry[T any] struct {
	// Item is what the exporter makes of the record. It owns its memory, and
	// nobody changes what it points to.
	Item T `json:"item"`
	// Severity decides what is dropped first.
	Severity log.Severity `json:"severity,omitempty"`
	// Size of Item in bytes.
	Size int `json:"size"`

	sequence uint64
}

func (e *Entry[T]) bytes() int { return e.Size + overhead }

func (e *Entry[T]) level() int {
	return max(0, min(int(e.Severity), severities-1))
}

// Outbox is a queue bounded in bytes. It is safe for concurrent use.
type Outbox[T any] struct {
	maxBytes int
	metrics  *metrics
	full     string     // the reason for which a full outbox drops
	behind   *Outbox[T] // the one that waits until this one is empty, or nil

	mu       sync.Mutex
	queues   [severities]fifo[T]
	taken    map[uint64]Entry[T] // by their sequence: what batches have
	records  int                 // queued and taken
	bytes    int                 // queued and taken
	sequence uint64
	closed   bool
	retired  bool // it is in no gauge any more
	kept     kept
	onChange func()
	// changed holds one token whenever there may be something for Next to see,
	// freed whenever there may be room for WaitForRoom to see.
	changed, freed chan struct{}
}

// Put takes all entries or, when the outbox is closed, none. It never waits.
// It returns how many records were dropped to make room; they are counted.
func (o *Outbox[T]) Put(entries ...Entry[T]) (dropped int, err error) {
	defer o.tellChange()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, ErrClosed
	}
	for _, entry := range entries {
		dropped += o.put(entry)
	}
	signal(o.changed)
	return dropped, nil
}

func (o *Outbox[T]) put(entry Entry[T]) (dropped int) {
	if entry.bytes() > o.maxBytes {
		o.metrics.drop(ReasonTooLarge, 1)
		return 1
	}
	o.sequence++
	entry.sequence = o.sequence
	o.queues[entry.level()].push(entry)
	o.hold(1, entry.bytes())
	for o.bytes > o.maxBytes {
		o.evict()
		dropped++
	}
	if dropped > 0 {
		o.metrics.drop(o.full, dropped)
	}
	return dropped
}

// WaitForRoom waits until the entries can be put without a drop, or the outbox is
// empty or closed: for the exporter of a source that can wait (a saved log). The
// error is that of ctx. Others may take the room before the caller does.
func (o *Outbox[T]) WaitForRoom(ctx context.Context, entries ...Entry[T]) error {
	need := 0
	for i := range entries {
		need += entries[i].bytes()
	}
	for !o.hasRoom(need) {
		select {
		case <-o.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(o.freed) // for whoever else waits
	return nil
}

func (o *Outbox[T]) hasRoom(bytes int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed || o.records == 0 || o.bytes+bytes <= o.maxBytes
}

// evict drops the oldest queued entry of the lowest severity. There is one: put
// has just queued one.
func (o *Outbox[T]) evict() {
	for i := range o.queues {
		if o.queues[i].front() != nil {
			entry := o.queues[i].pop()
			o.release(&entry)
			return
		}
	}
}

// release lets go of an entry.
func (o *Outbox[T]) release(entry *Entry[T]) {
	o.kept.note(entry.sequence)
	o.hold(-1, -entry.bytes())
}

// hold notes that the outbox holds so many records and bytes more.
func (o *Outbox[T]) hold(records, bytes int) {
	o.records += records
	o.bytes += bytes
	if !o.retired {
		o.metrics.Add(records, bytes)
	}
	if bytes < 0 {
		signal(o.freed)
	}
}

// Next waits for entries and takes the oldest of them: at least one, and more
// as long as their sizes together stay within maxBytes. The batch must be ended
// by Done, Return or Drop. The error is ErrClosed when the outbox is closed and
// nothing is left, or that of ctx.
func (o *Outbox[T]) Next(ctx context.Context, maxBytes int) (*Batch[T], error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if batch, err := o.take(maxBytes); batch != nil || err != nil {
			return batch, err
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
		}
	}
}

func (o *Outbox[T]) take(maxBytes int) (*Batch[T], error) {
	batch, err := o.takeOwn(maxBytes)
	if batch != nil || o.behind == nil {
		return batch, err
	}
	batch, errBehind := o.behind.takeOwn(maxBytes)
	if batch != nil || err == nil {
		return batch, nil
	}
	return nil, errBehind
}

func (o *Outbox[T]) takeOwn(maxBytes int) (*Batch[T], error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := &Batch[T]{from: o}
	for room := maxBytes; ; {
		queue := o.oldest()
		if queue == nil {
			break
		}
		if room -= queue.front().Size; room < 0 && len(batch.Entries) > 0 {
			break
		}
		entry := queue.pop()
		o.taken[entry.sequence] = entry
		batch.Entries = append(batch.Entries, entry)
	}
	if o.closed || o.oldest() != nil {
		signal(o.changed) // for whoever else waits in Next
	}
	switch {
	case len(batch.Entries) > 0:
		return batch, nil
	case o.closed:
		return nil, ErrClosed
	default:
		return nil, nil //nolint:nilnil // nothing yet: Next waits
	}
}

// oldest is the queue whose front came first of all, or nil.
func (o *Outbox[T]) oldest() *fifo[T] {
	var found *fifo[T]
	for i := range o.queues {
		front := o.queues[i].front()
		if front != nil && (found == nil || front.sequence < found.front().sequence) {
			found = &o.queues[i]
		}
	}
	return found
}

// Close makes every later Put fail. What is in the outbox can still be taken.
func (o *Outbox[T]) Close() {
	if o.behind != nil {
		o.behind.Close()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	signal(o.changed)
	signal(o.freed)
}

// Discard closes the outbox and drops what is queued, counted for a reason. It
// returns how many records that were. What batches have taken is theirs.
func (o *Outbox[T]) Discard(reason string) int {
	n := o.discard(reason)
	if n > 0 {
		o.tellChange()
	}
	if o.behind != nil {
		n += o.behind.Discard(reason)
	}
	return n
}

func (o *Outbox[T]) discard(reason string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	n := 0
	for i := range o.queues {
		for o.queues[i].front() != nil {
			entry := o.queues[i].pop()
			o.release(&entry)
			n++
		}
	}
	o.metrics.drop(reason, n)
	signal(o.changed)
	signal(o.freed)
	return n
}

// Len returns how many records the outbox holds, those in batches included, and
// their bytes.
func (o *Outbox[T]) Len() (records, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.records, o.bytes
}

// signal leaves a token, unless there is one.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
