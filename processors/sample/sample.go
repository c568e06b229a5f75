package sample

import (
	"context"
	"regexp"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// processor lets lines pass or not, and everything else. One goroutine at a time may
// call Consume.
type processor struct {
	node        string
	clock       pipeline.Clock
	next        pipeline.Consumer
	ratio       ratio
	minSeverity log.Severity   // 0: any
	include     *regexp.Regexp // nil: any
	limits      *limits        // nil: none
	dropped     *dropped

	out []pipeline.Record
}

var _ pipeline.Processor = (*processor)(nil)

// Start does nothing: all work is done in Consume.
func (*processor) Start(context.Context) error { return nil }

// Shutdown does nothing.
func (*processor) Shutdown(context.Context) error { return nil }

// Consume passes on, in order, the lines that may pass and all records that are no
// lines. A batch of which all may pass goes on as it is.
func (p *processor) Consume(ctx context.Context, batch []pipeline.Record) error {
	var lost [reasons]int
	passed := p.passed(batch, &lost)
	defer clear(p.out) // keep nothing of the batch
	if len(passed) > 0 {
		if err := p.next.Consume(ctx, passed); err != nil {
			return err
		}
	}
	p.dropped.add(ctx, &lost)
	return nil
}

func (p *processor) passed(batch []pipeline.Record, lost *[reasons]int) []pipeline.Record {
	if p.limits != nil {
		p.limits.now = p.clock.Now().Boot
	}
	all := true
	p.out = p.out[:0]
	for i := range batch {
		if why := p.judge(&batch[i]); why != passes {
			if all {
				p.out = append(p.out, batch[:i]...)
			}
			all = false
			lost[why]++
		} else if !all {
			p.out = append(p.out, batch[i])
		}
	}
	if all {
		return batch
	}
	return p.out
}

// judge tells why a record may not pass. The rate comes last: what does not pass anyway
// takes nothing of it.
func (p *processor) judge(record *pipeline.Record) reason {
	switch {
	case !record.IsLine():
		return passes
	case record.Severity != log.SeverityUndefined && record.Severity < p.minSeverity:
		return belowSeverity
	case p.include != nil && !p.include.Match(record.Body):
		return notIncluded
	case !p.ratio.holds(p.node, record):
		return notInSample
	case p.limits != nil && !p.limits.take(record):
		return overRate
	}
	return passes
}
