package dedupe

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Processor turns replayed lines into context. One goroutine at a time may call Consume,
// Snapshot or Restore.
type Processor struct {
	next     pipeline.Consumer
	keeping  pipeline.Keeping
	dropped  metric.Int64Counter
	replayed []metric.AddOption

	seen watermarks
	out  []pipeline.Record
}

var (
	_ pipeline.Processor = (*Processor)(nil)
	_ pipeline.Keeper    = (*Processor)(nil)
)

// Start does nothing: all work is done in Consume.
func (*Processor) Start(context.Context) error { return nil }

// Shutdown does nothing.
func (*Processor) Shutdown(context.Context) error { return nil }

// Consume passes on all records. Lines whose source has given them, or later ones,
// before, are no lines any more: they have become context. A batch without such lines
// is passed on as it is. What the next stage has not accepted is new when it comes
// again.
func (p *Processor) Consume(ctx context.Context, batch []pipeline.Record) error {
	p.seen.begin()
	passed, replayed := p.markReplayed(batch)
	defer clear(p.out) // keep nothing of the batch
	if err := p.next.Consume(ctx, passed); err != nil {
		p.seen.undo()
		return err
	}
	if p.seen.changed() {
		p.keeping.Moved()
	}
	if replayed > 0 {
		p.dropped.Add(ctx, int64(replayed), p.replayed...)
	}
	return nil
}

func (p *Processor) markReplayed(batch []pipeline.Record) (passed []pipeline.Record, replayed int) {
	passed = batch
	for i := range batch {
		if !hasPlace(&batch[i]) || p.seen.advance(&batch[i]) {
			continue
		}
		if replayed == 0 {
			p.out = append(p.out[:0], batch...)
			passed = p.out
		}
		passed[i].EventName = pipeline.EventContext
		replayed++
	}
	return passed, replayed
}

// hasPlace tells whether a record is a line that its source can name.
func hasPlace(record *pipeline.Record) bool { return record.IsLine() && record.Place.Source != "" }

// Snapshot returns all watermarks, the one used last at the end.
func (p *Processor) Snapshot() []Watermark { return slices.Clone(p.seen.all) }

// Restore sets the watermarks to those of a Snapshot. Of too many it takes the
// ones used last.
func (p *Processor) Restore(marks []Watermark) {
	p.seen.all = slices.Clone(marks[max(0, len(marks)-maxSources):])
}
