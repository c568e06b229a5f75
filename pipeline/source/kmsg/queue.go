package kmsg

import (
	"encoding/binary"
	"sync"
)

// The queue's bounds. A chunk of 64 KiB holds some 500 ordinary records.
const (
	chunkSize = 64 << 10
	maxChunks = 64
)

// queue is a bounded queue between the thread that reads, which is its only
// writer and never waits, and the goroutine that decodes. The writer writes
// straight into a chunk behind what it has committed, so records are not copied
// and no lock is taken for each. Chunks are made as they are needed and given
// up once empty.
type queue struct {
	limit int // chunks
	ready chan struct{}

	// The writer's own.
	tail    *chunk
	at      int // in tail: what is committed and what was pushed since
	pending note

	mu       sync.Mutex
	chunks   []*chunk // oldest first; the last is tail
	spare    *chunk
	taken    int  // of chunks[0]
	busy     bool // the decoder works on chunks[0]
	overflow note // comes behind all chunks
	closed   bool
	err      error
}

type chunk struct {
	bytes     [chunkSize]byte
	committed int
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, ready: make(chan struct{}, 1)}
}

// space returns room for a record; nil if the queue is full. It is valid until
// the next call.
func (q *queue) space() []byte {
	if (q.tail == nil || chunkSize-q.at < noteEntry+recordEntry) && !q.extend() {
		return nil
	}
	q.putPending()
	return q.tail.bytes[q.at+entryHeader : q.at+recordEntry]
}

// push adds the record in the first size bytes of space.
func (q *queue) push(size int, startsLive bool) {
	kind := kindRecord
	if startsLive {
		kind = kindFirstLive
	}
	putHeader(q.tail.bytes[q.at:], kind, size)
	q.at += entryHeader + size
}

// note adds what is no record, behind the last one pushed.
func (q *queue) note(n note) { q.pending.add(n) }

func (q *queue) putPending() {
	if q.pending.isZero() {
		return
	}
	q.pending.put(q.tail.bytes[q.at:])
	q.at += noteEntry
	q.pending = note{}
}

// extend starts a new chunk.
func (q *queue) extend() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.publish()
	if len(q.chunks) >= q.limit {
		return false
	}
	q.tail, q.at = q.spare, 0
	q.spare = nil
	if q.tail == nil {
		q.tail = new(chunk)
	}
	q.tail.committed = 0
	q.chunks = append(q.chunks, q.tail)
	q.pending, q.overflow = q.overflow, note{}
	return true
}

// commit lets the decoder have all that was pushed and noted.
func (q *queue) commit() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.publish()
}

func (q *queue) publish() {
	if q.tail != nil {
		if chunkSize-q.at >= noteEntry {
			q.putPending()
		}
		q.tail.committed = q.at
	}
	q.overflow.add(q.pending)
	q.pending = note{}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// rewind starts the only chunk anew if the decoder is through with it: an idle
// queue uses the same few pages again and again. All must be committed.
func (q *queue) rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.chunks) == 1 && !q.busy && q.taken == q.tail.committed {
		q.tail.committed, q.taken, q.at = 0, 0, 0
		q.pending, q.overflow = q.overflow, note{}
	}
}

// close says that nothing more is pushed, and why.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.err = true, err
	q.publish()
}

// take waits for entries and returns the oldest, or the note behind them all.
// It returns neither once the queue is closed and empty. The entries belong to
// the caller until release.
func (q *queue) take() (entries []byte, behind note) {
	for {
		q.mu.Lock()
		q.dropUsed()
		if len(q.chunks) > 0 && q.taken < q.chunks[0].committed {
			entries, q.busy = q.chunks[0].bytes[q.taken:q.chunks[0].committed], true
			q.mu.Unlock()
			return entries, note{}
		}
		behind, q.overflow = q.overflow, note{}
		closed := q.closed
		q.mu.Unlock()
		if closed || !behind.isZero() {
			return nil, behind
		}
		<-q.ready
	}
}

// release gives back what take returned.
func (q *queue) release(entries []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	q.taken += len(entries)
	q.dropUsed()
	if len(q.chunks) == 1 && q.taken == q.chunks[0].committed {
		q.spare = nil // idle: one chunk is enough
	}
}

// dropUsed drops the oldest chunk if it is used up and nothing more comes into it.
func (q *queue) dropUsed() {
	if len(q.chunks) > 1 && !q.busy && q.taken == q.chunks[0].committed {
		q.spare, q.chunks[0] = q.chunks[0], nil
		q.chunks, q.taken = q.chunks[1:], 0
	}
}

// failure is why the queue was closed.
func (q *queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// The kinds of entries: the first byte of each.
const (
	kindRecord    byte = iota + 1
	kindFirstLive      // a record before which the backlog ended
	kindNote
)

const (
	entryHeader = 4 // kind<<24 | size of what follows
	recordEntry = entryHeader + MaxRecord
)

func putHeader(to []byte, kind byte, size int) {
	binary.LittleEndian.PutUint32(to, uint32(kind)<<24|uint32(size)) //nolint:gosec // at most MaxRecord and a header
}

// nextEntry cuts the first entry off.
func nextEntry(entries []byte) (kind byte, entry, rest []byte) {
	word := binary.LittleEndian.Uint32(entries)
	end := entryHeader + int(word&0xffffff)
	return byte(word >> 24), entries[entryHeader:end], entries[end:]
}
