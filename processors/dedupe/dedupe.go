package dedupe

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Processor drops replayed lines. One goroutine at a time may call Consume,
// Snapshot or Restore.
type Processor struct {
	next     pipeline.Consumer
	dropped  metric.Int64Counter
	replayed []metric.AddOption

	seen watermarks
	out  []pipeline.Record
}

var _ pipeline.Processor = (*Processor)(nil)

// Start does nothing: all work is done in Consume.
func (*Processor) Start(context.Context) error { return nil }

// Shutdown does nothing.
func (*Processor) Shutdown(context.Context) error { return nil }

// Consume passes on all records but lines whose source has given them, or later
// ones, before. A batch without such lines is passed on as it is. What the next
// stage has not accepted is new when it comes again.
func (p *Processor) Consume(ctx context.Context, batch []pipeline.Record) error {
	p.seen.begin()
	kept := p.withoutReplayed(batch)
	defer clear(p.out) // keep nothing of the batch
	if len(kept) > 0 {
		if err := p.next.Consume(ctx, kept); err != nil {
			p.seen.undo()
			return err
		}
	}
	if n := len(batch) - len(kept); n > 0 {
		p.dropped.Add(ctx, int64(n), p.replayed...)
	}
	return nil
}

func (p *Processor) withoutReplayed(batch []pipeline.Record) []pipeline.Record {
	p.out = p.out[:0]
	copied := false
	for i := range batch {
		keep := !hasPlace(&batch[i]) || p.seen.advance(&batch[i])
		switch {
		case !keep && !copied:
			p.out = append(p.out, batch[:i]...)
			copied = true
		case keep && copied:
			p.out = append(p.out, batch[i])
		}
	}
	if copied {
		return p.out
	}
	return batch
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
