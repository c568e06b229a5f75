package replay

import (
	"bytes"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// The bounds of a batch.
const (
	maxLines   = 256
	arenaSize  = 128 << 10
	rawMaximum = 4 * MaxLine // a record with all its dictionary lines
)

// batch gathers lines. Its memory is used again for each batch.
type batch struct {
	arena      []byte // the bytes of all lines; never grows
	lines      []source.Record
	numbers    []uint64
	attributes []source.Attributes
	records    []pipeline.Record

	rawStart  int // in arena, of a record of /dev/kmsg that may go on; -1: none
	rawNumber uint64
}

func (b *batch) init() {
	b.arena = make([]byte, 0, arenaSize)
	b.lines = make([]source.Record, 0, maxLines)
	b.attributes = make([]source.Attributes, maxLines)
	b.rawStart = -1
}

// isFull tells whether the next line might not fit.
func (b *batch) isFull() bool {
	return len(b.lines) == maxLines || cap(b.arena)-len(b.arena) < rawMaximum
}

// keep copies a line.
func (b *batch) keep(line []byte) []byte {
	start := len(b.arena)
	b.arena = append(b.arena, line...)
	return b.arena[start:len(b.arena):len(b.arena)]
}

func (b *batch) add(number uint64) *source.Record {
	b.lines = append(b.lines, source.Record{})
	b.numbers = append(b.numbers, number)
	return &b.lines[len(b.lines)-1]
}

func (b *batch) openRaw(line []byte, number uint64) {
	b.rawStart, b.rawNumber = len(b.arena), number
	b.arena = append(append(b.arena, line...), '\n')
}

// continues takes a dictionary line of the record that is open.
func (b *batch) continues(line []byte) bool {
	if b.rawStart < 0 || len(line) < 2 || line[0] != ' ' || bytes.IndexByte(line, '=') < 0 {
		return false
	}
	if len(b.arena)-b.rawStart+len(line)+1 > rawMaximum { // no dictionary any more
		return false
	}
	b.arena = append(append(b.arena, line...), '\n')
	return true
}

func (b *batch) closeRaw() ([]byte, uint64) {
	if b.rawStart < 0 {
		return nil, 0
	}
	raw := b.arena[b.rawStart:len(b.arena):len(b.arena)]
	b.rawStart = -1
	return raw, b.rawNumber
}

// finish makes the pipeline's records of the lines and empties the batch. They
// are valid until the next line is added.
func (b *batch) finish(boot, receiver string) []pipeline.Record {
	b.records = b.records[:0]
	observed := time.Now()
	for i := range b.lines {
		line := &b.lines[i]
		b.attributes[i] = source.Attributes{Record: line}
		b.records = append(b.records, pipeline.Record{
			Time: line.Time, ObservedTime: observed,
			Boot:       pipeline.BootTime{ID: boot, At: line.Boot},
			Severity:   line.OTelSeverity(),
			Receiver:   receiver,
			Body:       bytes.TrimSpace(line.Text),
			Attributes: &b.attributes[i],
			Place:      pipeline.Place{Scope: boot, Source: Type, Position: b.numbers[i]},
		})
	}
	b.lines, b.numbers, b.arena = b.lines[:0], b.numbers[:0], b.arena[:0]
	return b.records
}
