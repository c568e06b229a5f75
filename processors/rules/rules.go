package rules

import (
	"bytes"
	"context"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// suffixSeparator stands between a message and its window's suffix, as
// node-problem-detector writes it.
const suffixSeparator = "; "

// processor turns each match of a rule into a record of its own and forgets
// ordinary lines. One goroutine at a time may call Consume.
type processor struct {
	settings pipeline.Settings
	next     pipeline.Consumer
	matcher  *matcher
	metrics  *instruments

	out      []pipeline.Record
	problems []*pipeline.Problem // reused from batch to batch
	used     int
	text     []byte
	message  []byte
}

var _ pipeline.Processor = (*processor)(nil)

// Start does nothing: all work is done in Consume.
func (*processor) Start(context.Context) error { return nil }

// Shutdown does nothing.
func (*processor) Shutdown(context.Context) error { return nil }

// Consume passes on a record for each match of a rule, in the order of lines and
// then of rules, between the records that are no lines. Context ends here.
func (p *processor) Consume(ctx context.Context, batch []pipeline.Record) error {
	p.out, p.used = p.out[:0], 0
	for i := range batch {
		switch record := &batch[i]; record.EventName {
		case "":
			p.line(ctx, record)
		case pipeline.EventContext:
			p.countCut(ctx, p.matcher.context(record))
		default:
			p.out = append(p.out, *record)
		}
	}
	if len(p.out) == 0 {
		return nil
	}
	defer clear(p.out) // keep nothing of the batch
	return p.next.Consume(ctx, p.out)
}

func (p *processor) line(ctx context.Context, record *pipeline.Record) {
	found, cut := p.matcher.match(record)
	p.countCut(ctx, cut)
	for i := range found {
		p.emit(ctx, record, &found[i])
		p.metrics.matched(ctx, &found[i])
	}
}

// countCut counts lines of windows that lost text.
func (p *processor) countCut(ctx context.Context, lines int) {
	if lines > 0 {
		p.metrics.cut.Add(ctx, int64(lines), p.metrics.windowCut...)
	}
}

// emit appends the record of a finding. It is the line's own, with the problem.
func (p *processor) emit(ctx context.Context, line *pipeline.Record, f *finding) {
	problem := p.newProblem()
	*problem = f.rule.problem()
	problem.UID = pipeline.ProblemUID(p.settings.Node, line.Place, f.rule.id)
	problem.Instance = f.expression.renderInstance(f.text, f.match)
	problem.State = pipeline.StateProblem
	if f.isRecovery() {
		problem.State = pipeline.StateOK
	}
	problem.Message = p.renderMessage(ctx, f)

	record := *line
	record.EventName = pipeline.EventProblem
	record.Time = f.time
	record.Problem = problem
	p.out = append(p.out, record)
}

// renderMessage returns the message that the rule's problem has. That of a
// recovery which does not tell it is empty.
func (p *processor) renderMessage(ctx context.Context, f *finding) string {
	if f.isRecovery() && !f.expression.canTell {
		return ""
	}
	switch {
	case f.rule.message != nil:
		p.text = f.expression.message.render(p.text[:0], f.text, f.match)
	case f.rule.window != nil: // the window has treated white space already
		p.text = append(p.text[:0], f.lines...)
	default:
		p.text = append(p.text[:0], bytes.TrimSpace(f.lines)...)
	}
	if f.rule.window != nil && f.rule.window.Suffix != "" {
		p.text = append(p.text, suffixSeparator...)
		p.text = append(p.text, f.rule.window.Suffix...)
	}
	message, cut := condition.CleanMessage(p.message[:0], p.text)
	p.message = message
	if cut {
		p.metrics.cut.Add(ctx, 1, p.metrics.messageCut...)
	}
	return string(message)
}

func (p *processor) newProblem() *pipeline.Problem {
	if p.used == len(p.problems) {
		p.problems = append(p.problems, &pipeline.Problem{})
	}
	p.used++
	return p.problems[p.used-1]
}
