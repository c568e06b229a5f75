package conditions

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// processor feeds the store. One goroutine at a time may call Consume.
type processor struct {
	store   *condition.Store
	next    pipeline.Consumer
	dropped metric.Int64Counter
	joined  metric.Int64Counter
	reasons map[condition.Drop]metric.AddOption

	out []pipeline.Record
}

var _ pipeline.Processor = (*processor)(nil)

// Start does nothing: the store starts by itself.
func (*processor) Start(context.Context) error { return nil }

// Shutdown does nothing.
func (*processor) Shutdown(context.Context) error { return nil }

// Consume brings problems, recoveries, verdicts and ends of backlogs to the
// store, in order. It passes on the problems that fire without a condition and
// all records of other kinds; what came before a problem of a condition goes
// first, since the store tells of that one itself.
func (p *processor) Consume(ctx context.Context, batch []pipeline.Record) error {
	var errs []error
	for i := range batch {
		if problem := batch[i].Problem; problem != nil && problem.Condition != "" {
			errs = append(errs, p.passOn(ctx))
		}
		errs = append(errs, p.record(ctx, &batch[i]))
	}
	errs = append(errs, p.passOn(ctx))
	return errors.Join(errs...)
}

func (p *processor) passOn(ctx context.Context) error {
	if len(p.out) == 0 {
		return nil
	}
	err := p.next.Consume(ctx, p.out)
	clear(p.out) // keep nothing of the batch
	p.out = p.out[:0]
	return err
}

func (p *processor) record(ctx context.Context, record *pipeline.Record) error {
	if record.EventName != pipeline.EventProblem && record.EventName != pipeline.EventBacklogEnd {
		p.out = append(p.out, *record)
		return nil
	}
	result, err := p.store.Apply(ctx, record)
	if result.Dropped != "" {
		p.dropped.Add(ctx, 1, p.reasons[result.Dropped])
	}
	if result.JoinedOther {
		p.joined.Add(ctx, 1)
	}
	if result.Fired != nil {
		fired := *record
		fired.Problem = result.Fired
		p.out = append(p.out, fired)
	}
	return err
}
