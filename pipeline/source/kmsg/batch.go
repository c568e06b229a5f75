package kmsg

import "github.com/otelnpd/otelnpd/pipeline"

// maxBatch is the most records in a batch.
const maxBatch = 256

// Batch is what a subscriber is given at once. It is valid only during the call
// that brings it, its records and their bytes as well.
type Batch struct {
	// Context are records before the one that the subscriber goes on from, as far
	// as the kernel still has them: it had them when it was there before. They come
	// first, each once, in the order of their sequence numbers.
	Context []Record
	// Records come in the order of their sequence numbers.
	Records []Record
	// Renumbered tells, with the first batch, that the log's numbers end before the
	// one that the subscriber wanted to go on from: it is another log, and is given
	// from its oldest record.
	Renumbered bool
	// Lost are records that were lost since the batch before.
	Lost Loss
	// Next is the sequence number behind all that this batch and those before
	// account for, be it received or lost.
	Next uint64
	// BacklogEnd tells that all records which were there at the start are through,
	// with this batch.
	BacklogEnd bool
	// Now is when the batch was made.
	Now pipeline.Instant

	read uint64 // records that were read for it, those that are none included
}

func (b *Batch) isEmpty() bool {
	return len(b.Context) == 0 && len(b.Records) == 0 && b.Lost.Total() == 0 && !b.BacklogEnd
}

// assembler makes batches. Its memory is used again for each.
type assembler struct {
	clock   pipeline.Clock
	offsets *offsets
	deliver func(Batch)
	batch   Batch
}

// entries decodes what a queue held and delivers it.
func (a *assembler) entries(entries []byte) {
	for len(entries) > 0 {
		var kind byte
		var entry []byte
		switch kind, entry, entries = nextEntry(entries); kind {
		case kindNote:
			a.note(noteFrom(entry))
		case kindFirstLive:
			a.note(note{backlogEnd: true})
			fallthrough
		case kindRecord:
			a.record(entry)
		}
	}
	a.flush()
}

// record adds one record, unless it is none or its number was there before.
func (a *assembler) record(raw []byte) {
	a.batch.read++
	a.batch.Records = append(a.batch.Records, Record{})
	record := &a.batch.Records[len(a.batch.Records)-1]
	if err := Parse(record, raw); err != nil || record.Sequence < a.batch.Next {
		a.batch.Records = a.batch.Records[:len(a.batch.Records)-1]
		next := uint64(0)
		if sequence, ok := sequenceOf(raw); ok {
			next = sequence + 1
		}
		lost := Loss{}
		lost[Malformed] = 1
		a.note(note{lost: lost, next: next})
		return
	}
	a.batch.Next = record.Sequence + 1
	if len(a.batch.Records) == maxBatch {
		a.flush()
	}
}

func (a *assembler) note(n note) {
	a.batch.Lost.add(n.lost)
	a.batch.Next = max(a.batch.Next, n.next)
	if n.backlogEnd {
		a.batch.BacklogEnd = true
		a.flush()
	}
}

// flush delivers what has come since the last time.
func (a *assembler) flush() {
	if a.batch.isEmpty() {
		return
	}
	a.batch.Now = a.clock.Now()
	a.offsets.measure(a.batch.Now)
	a.offsets.times(a.batch.Records, a.batch.Now)
	a.deliver(a.batch)
	a.batch = Batch{Records: a.batch.Records[:0], Next: a.batch.Next}
}
