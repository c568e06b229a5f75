// Package health asks the services that a node lives by how they do: the kubelet,
// kube-proxy, the container runtime, docker, units of systemd. Where it is told to, it
// has one that is not well killed, so that systemd starts it again.
package health

import (
	"context"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/source/probe"
)

// reasonUnknown is the reason of verdicts that say neither that a service is well nor
// that it is not.
const reasonUnknown = "HealthUnknown"

// busTimeout bounds what systemd is asked at once.
const busTimeout = 3 * time.Second

// Receiver asks, and repairs.
type Receiver struct {
	*check.Runner

	settings pipeline.Settings
	config   *Config
	ledger   ledger
	repairs  repairs
}

var _ pipeline.Keeper = (*Receiver)(nil)

// service is one of those that are asked. But for what does not change, it belongs to
// the goroutine that runs its check.
type service struct {
	*Receiver
	target

	asker   asker
	systemd *probe.Systemd
	streak  streak
}

// checkOf makes the check of a target.
func (r *Receiver) checkOf(t target) check.Check {
	s := &service{Receiver: r, target: t, asker: t.probe(r.settings.Host), systemd: systemd(r.settings.Host)}
	return check.Check{
		ID: t.id, Rules: r.config.rules(&t), Interval: r.config.Interval,
		// To excuse and to repair takes a few more questions.
		Timeout: r.config.Timeout + repairTimeout, Run: s.run,
	}
}

// run asks once.
func (s *service) run(ctx context.Context) check.Report {
	turned := s.streak.turned
	verdict, degraded := s.ask(ctx)
	if !s.config.Repair.Enabled || !s.target.repairs {
		return check.Report{Findings: []check.Finding{verdict}, Degraded: degraded}
	}
	done := check.Finding{Rule: s.repairRule().ID, State: pipeline.StateOK}
	lacks := s.lacksRights()
	// Not before the next problem after the one that has turned the condition: so that
	// is told before anything is touched.
	if turned && verdict.State == pipeline.StateProblem && ctx.Err() == nil {
		done, lacks = s.repair(ctx, verdict.Message)
	}
	if degraded == nil {
		degraded = lacks
	}
	return check.Report{Findings: []check.Finding{verdict, done}, Degraded: degraded}
}

// ask asks the service, and judges the answer.
func (s *service) ask(ctx context.Context) (check.Finding, *check.Degraded) {
	verdict := check.Finding{Rule: s.rule.ID}
	err := func() error {
		asking, cancel := context.WithTimeout(ctx, s.config.Timeout)
		defer cancel()
		return s.asker.Ask(asking)
	}()
	if err == nil {
		s.streak = streak{}
		verdict.State = pipeline.StateOK
		return verdict, nil
	}
	verdict.Message, verdict.Reason = err.Error(), reasonUnknown
	if unknown := probe.AsUnknown(err); unknown != nil {
		return verdict, &check.Degraded{Reason: err.Error(), Remedy: unknown.Remedy}
	}
	now := s.settings.Clock.Now().Boot
	s.streak.fails(now)
	if excuse := s.excuse(ctx, now); excuse != "" {
		verdict.Message = fmt.Sprintf("%s: %s", excuse, err)
		return verdict, nil
	}
	verdict.State, verdict.Reason = pipeline.StateProblem, ""
	s.streak.counts(now, s.declaration)
	return verdict, nil
}

// streak is what the receiver itself knows of a service's problems in a row: the
// condition store counts the same verdicts in the same way, and tells nobody.
type streak struct {
	// failing tells that it has not been well since; excused times are among them.
	failing bool
	since   time.Duration
	// count is how many verdicts were a problem, the first one at began.
	count int
	began time.Duration
	// turned tells that they have turned the condition.
	turned bool
	// repairs is how many there were since it was well: a service that is well and asked
	// at the wrong place is not killed for ever.
	repairs int
}

func (s *streak) fails(now time.Duration) {
	if !s.failing {
		s.failing, s.since = true, now
	}
}

func (s *streak) counts(now time.Duration, judged *check.Declaration) {
	if s.count == 0 {
		s.began = now
	}
	s.count = min(s.count+1, max(judged.FailureThreshold, 1))
	s.turned = s.turned || s.count >= judged.FailureThreshold && now-s.began >= judged.For
}

// excuse says why a service need not be well yet; empty: it must be. One that is
// started again and again has no more than one grace.
func (s *service) excuse(ctx context.Context, now time.Duration) string {
	grace := s.config.StartGrace
	switch {
	case now-s.streak.since >= grace:
		return ""
	case now < grace:
		return "the node has just booted"
	case s.unit == "":
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	unit, err := s.systemd.Unit(ctx, s.unit)
	if err == nil && (unit.Starts() || unit.Started && unit.Up < grace && unit.ActiveState != "failed" && unit.ActiveState != "inactive") {
		return unit.Name + " has just been started"
	}
	return ""
}
