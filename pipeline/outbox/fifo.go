package outbox

// fifo is a queue in a slice whose dead head is cut off when it is the larger
// part.
type fifo[T any] struct {
	entries []Entry[T]
	head    int
}

func (q *fifo[T]) front() *Entry[T] {
	if q.head == len(q.entries) {
		return nil
	}
	return &q.entries[q.head]
}

// waiting is all that is queued, to be read at once.
func (q *fifo[T]) waiting() []Entry[T] { return q.entries[q.head:] }

func (q *fifo[T]) push(entry Entry[T]) {
	q.entries = append(q.entries, entry)
}

func (q *fifo[T]) pop() Entry[T] {
	entry := q.entries[q.head]
	q.entries[q.head] = Entry[T]{}
	q.head++
	if q.head == len(q.entries) {
		q.entries, q.head = nil, 0
	} else if q.head > 32 && q.head > len(q.entries)/2 {
		q.entries, q.head = append([]Entry[T](nil), q.entries[q.head:]...), 0
	}
	return entry
}

// unpop puts an entry back to the front. Where there is no room it makes as much as
// there are entries, so that a batch that comes back does not move all of them for
// each of its own.
func (q *fifo[T]) unpop(entry Entry[T]) {
	if q.head == 0 {
		room := len(q.entries) + 16
		entries := make([]Entry[T], room, room+len(q.entries))
		q.entries, q.head = append(entries, q.entries...), room
	}
	q.head--
	q.entries[q.head] = entry
}
