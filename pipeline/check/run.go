package check

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// grace is how long after its timeout a run may take to return.
const grace = 2 * time.Second

// run is one run of a check.
type run struct {
	*scheduled
	node, boot, receiver string
	started, ended       pipeline.Instant
}

// run lets a check run and sends what it found. due is when it was to begin.
func (r *Runner) run(ctx context.Context, c *scheduled, due time.Duration) {
	one := &run{
		scheduled: c, started: r.settings.Clock.Now(),
		node: r.settings.Node, boot: r.settings.Boot.ID, receiver: r.settings.ID.String(),
	}
	r.metrics.begin(ctx, one.started.Boot-due)
	var overdue <-chan time.Time
	if c.Timeout > 0 {
		timer := time.NewTimer(c.Timeout + grace)
		defer timer.Stop()
		overdue = timer.C
	}
	answer := make(chan Report, 1)
	go func() { answer <- r.ask(ctx, c) }()
	select {
	case report := <-answer:
		r.finish(ctx, one, report)
	case <-overdue:
		r.metrics.fail(ctx, failedOverdue)
		r.finish(ctx, one, c.hangs())
		tell(ctx, r.overdue, c)
		<-answer // nobody wants it any more: it tells of a time long past
	}
	tell(ctx, r.ended, c)
}

// tell tells the loop of a check; ctx is the loop's own.
func tell(ctx context.Context, whom chan<- *scheduled, c *scheduled) {
	select {
	case whom <- c:
	case <-ctx.Done():
	}
}

// ask calls the check. One that panics must not take the agent down, which watches
// much else: that check cannot tell how things stand, and the log says where it
// failed.
func (r *Runner) ask(ctx context.Context, c *scheduled) (report Report) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		r.metrics.fail(ctx, failedPanic)
		r.settings.Logger.Error("a check has failed by a fault of its own; please report it",
			"check", c.ID, "fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
		report = c.cannotTell("a fault in the check itself: "+fmt.Sprint(fault), "report it with the agent's log, which tells where it is")
	}()
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	return c.Run(ctx)
}

func (s *scheduled) hangs() Report {
	return s.cannotTell(fmt.Sprintf("a run has not ended %s after its timeout of %s", grace, s.Timeout),
		"see what it waits for: a file system or a device may not answer")
}

// cannotTell is the report of a check that cannot see anything.
func (s *scheduled) cannotTell(reason, remedy string) Report {
	report := Report{Degraded: &Degraded{Reason: reason, Remedy: remedy}}
	for i := range s.Rules {
		report.Findings = append(report.Findings, Finding{Rule: s.Rules[i].ID, State: pipeline.StateUnknown, Message: reason})
	}
	return report
}

// finish sends what a run found, unless it was interrupted.
func (r *Runner) finish(ctx context.Context, one *run, report Report) {
	if ctx.Err() != nil {
		return
	}
	one.ended = r.settings.Clock.Now()
	verdicts := one.judge(report, func(reason string) { r.metrics.mend(ctx, reason) })
	r.board.set(one.ID, report.Degraded)
	r.metrics.end(ctx, one, verdicts.result)
	if err := r.send(ctx, one.records(verdicts)); err != nil {
		r.metrics.fail(ctx, failedRefused)
		r.settings.Logger.Debug("the pipelines are shutting down and took no more verdicts", "check", one.ID, "error", err)
	}
}

func (r *Runner) send(ctx context.Context, records []pipeline.Record) error {
	select {
	case r.sending <- struct{}{}:
		defer func() { <-r.sending }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return pipeline.Send(ctx, r.next, records, func() {})
}
