package outbox

import (
	"cmp"
	"slices"
)

// kept tells whether an outbox still holds what a snapshot of it had.
type kept struct {
	through uint64 // the newest entry that was put before it
	records int    // that it had
	held    int    // of them, those that are still there
}

// note notes that an entry is gone.
func (k *kept) note(sequence uint64) {
	if sequence <= k.through {
		k.held--
	}
}

// OnChange sets what is told, from any goroutine, that the outbox holds something
// else than its last snapshot had; before the first one: than nothing, or than it
// was refilled with. A record that came and went between two snapshots changes
// nothing. It is set before the outbox is used.
func (o *Outbox[T]) OnChange(changed func()) { o.onChange = changed }

// tellChange tells of a change. It is called without the lock.
func (o *Outbox[T]) tellChange() {
	if o.differs() {
		o.onChange()
	}
}

func (o *Outbox[T]) differs() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.records != o.kept.held || o.kept.held != o.kept.records
}

// Snapshot returns what the outbox holds at this moment, oldest first: what is
// queued, and what batches have taken and have not ended. It is quick, and shares
// only what nobody changes. It can be called at any time, after Close too.
func (o *Outbox[T]) Snapshot() []Entry[T] {
	entries := o.all()
	slices.SortFunc(entries, func(x, y Entry[T]) int { return cmp.Compare(x.sequence, y.sequence) })
	return entries
}

// all copies all entries, in no order, and notes that they are kept.
func (o *Outbox[T]) all() []Entry[T] {
	o.mu.Lock()
	defer o.mu.Unlock()
	entries := make([]Entry[T], 0, o.records)
	for i := range o.queues {
		entries = append(entries, o.queues[i].waiting()...)
	}
	for _, entry := range o.taken {
		entries = append(entries, entry)
	}
	o.kept = kept{through: o.sequence, records: o.records, held: o.records}
	return entries
}

// Refill puts what a snapshot had into a new outbox, before anything else comes in.
// It counts in the gauges and is not accepted anew. Where the outbox is smaller than
// the one before, records are dropped as Put does, counted, and their number is
// returned. A negative size is none.
func (o *Outbox[T]) Refill(entries []Entry[T]) (dropped int) {
	defer o.tellChange()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, entry := range entries {
		entry.Size = min(max(entry.Size, 0), o.maxBytes)
		dropped += o.put(entry)
	}
	o.kept = kept{through: o.sequence, records: len(entries), held: o.records}
	signal(o.changed)
	return dropped
}

// NoteDropped counts records that were kept and that the exporter cannot put into
// the outbox.
func (o *Outbox[T]) NoteDropped(reason string, records int) { o.metrics.drop(reason, records) }

// Retire ends the outbox and leaves what it holds to the next one: nothing is
// dropped, Put fails, and nothing is counted in the gauges any more. It returns how
// many records are left.
func (o *Outbox[T]) Retire() (left int) {
	if o.behind != nil {
		left = o.behind.Retire()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.retired {
		o.metrics.Add(-o.records, -o.bytes)
	}
	o.closed, o.retired = true, true
	signal(o.changed)
	signal(o.freed)
	return left + o.records
}
