package outbox

// Batch is what Next took: entries of an outbox that is waiting to hear what
// became of them. One goroutine has it, and ends it once.
type Batch[T any] struct {
	// Entries are oldest first.
	Entries []Entry[T]

	from *Outbox[T]
}

// Done tells that all entries have been delivered.
func (b *Batch[T]) Done() {
	defer b.from.tellChange()
	b.from.metrics.send(b.end())
}

// Drop gives all entries up, counted for a reason.
func (b *Batch[T]) Drop(reason string) {
	defer b.from.tellChange()
	b.from.metrics.drop(reason, b.end())
}

func (b *Batch[T]) end() int {
	b.from.mu.Lock()
	defer b.from.mu.Unlock()
	for i := range b.Entries {
		delete(b.from.taken, b.Entries[i].sequence)
		b.from.release(&b.Entries[i])
	}
	n := len(b.Entries)
	b.Entries = nil
	return n
}

// Return puts all entries back to where they were, to be taken again, as they are
// in Entries by then.
func (b *Batch[T]) Return() {
	b.from.mu.Lock()
	defer b.from.mu.Unlock()
	for i := len(b.Entries) - 1; i >= 0; i-- {
		delete(b.from.taken, b.Entries[i].sequence)
		b.from.queues[b.Entries[i].level()].unpop(b.Entries[i])
	}
	b.Entries = nil
	signal(b.from.changed)
}

// Split takes the first n entries out of the batch into one of their own, for a
// delivery that went through in part.
func (b *Batch[T]) Split(n int) *Batch[T] {
	first := &Batch[T]{Entries: b.Entries[:n:n], from: b.from}
	b.Entries = b.Entries[n:]
	return first
}
