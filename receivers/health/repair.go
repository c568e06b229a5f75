package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/source/probe"
)

// reasonRepaired is the reason of the events that tell of repairs, whatever came of
// them.
const reasonRepaired = "ServiceRepair"

// What came of a repair, or why there was none.
const (
	resultKilled      = "killed"
	resultDryRun      = "dry_run"
	resultFailed      = "failed"
	resultCooldown    = "cooldown"    // the unit has not been up for long enough
	resultLimited     = "limited"     // there were max_per_hour within the hour
	resultFutile      = "futile"      // max_per_hour in a row have not made it well
	resultNotRunning  = "not_running" // there is nothing to kill
	resultUnavailable = "unavailable" // systemd cannot be asked
	resultNotKept     = "not_kept"    // it could not be noted for the next start
)

var results = []string{
	resultKilled, resultDryRun, resultFailed, resultCooldown, resultLimited, resultFutile, resultNotRunning, resultUnavailable, resultNotKept,
}

// The times that a repair may take: the note of it, and for dockerd to write what it
// does. With the questions to systemd that is repairTimeout.
const (
	noteTimeout   = 5 * time.Second
	dumpTime      = time.Second
	repairTimeout = 4*busTimeout + noteTimeout + dumpTime
)

// repairs counts, by check and result: otelnpd.health.repairs{receiver,check,result}.
type repairs struct {
	counter  metric.Int64Counter
	receiver attribute.KeyValue
}

func newRepairs(settings pipeline.Settings, config *Config) (repairs, error) {
	counter, err := settings.Meter.Int64Counter("otelnpd.health.repairs", metric.WithUnit("{repair}"),
		metric.WithDescription("Repairs of services that were not well, and runs in which there was none although it was due, by result."))
	if err != nil {
		return repairs{}, fmt.Errorf("make the counter otelnpd.health.repairs: %w", err)
	}
	r := repairs{counter: counter, receiver: attribute.String("receiver", settings.ID.String())}
	for _, t := range config.targets() {
		for _, result := range results {
			if config.Repair.Enabled && t.repairs {
				r.add(context.Background(), t.id, result, 0)
			}
		}
	}
	return r, nil
}

func (r *repairs) add(ctx context.Context, check, result string, n int64) {
	r.counter.Add(ctx, n, metric.WithAttributeSet(attribute.NewSet(
		r.receiver, attribute.String("check", check), attribute.String("result", result))))
}

// lacksRights tells what a repair would lack; nil: nothing that can be seen.
func (s *service) lacksRights() *check.Degraded {
	if os.Geteuid() != 0 {
		return &check.Degraded{
			Reason: fmt.Sprintf("repair.enabled: systemd lets root alone kill units, and this is uid %d", os.Geteuid()),
			Remedy: "run as root of the node, or leave repair.enabled out",
		}
	}
	if _, err := os.Stat(s.systemd.Socket); err != nil {
		return &check.Degraded{
			Reason: fmt.Sprintf("repair.enabled: the system bus cannot be reached: %v", err),
			Remedy: "mount the node's /run where service.host.run says, or leave repair.enabled out",
		}
	}
	return nil
}

// repair has the unit killed if nothing speaks against it. The finding tells of a
// repair that was made or tried.
func (s *service) repair(ctx context.Context, why string) (check.Finding, *check.Degraded) {
	finding := check.Finding{Rule: s.repairRule().ID, State: pipeline.StateOK}
	result, err := s.tryRepair(ctx)
	s.Receiver.repairs.add(ctx, s.id, result, 1)
	switch result {
	case resultKilled:
		finding.Message = fmt.Sprintf("%s was killed, so that systemd starts it again: %s", s.unit, why)
	case resultDryRun:
		finding.Message = fmt.Sprintf("%s would be killed, so that systemd starts it again, were it not for repair.dry_run: %s", s.unit, why)
	case resultFailed:
		finding.Message = fmt.Sprintf("%s could not be killed: %v: %s", s.unit, err, why)
	default:
		s.settings.Logger.Debug("a service that is not well is not repaired", "check", s.id, "unit", s.unit, "result", result, "error", err)
	}
	if finding.Message != "" {
		finding.State = pipeline.StateProblem
		s.settings.Logger.Warn("repair of a service", "check", s.id, "unit", s.unit, "result", result, "why", why, "error", err)
	}
	if unknown := probe.AsUnknown(err); unknown != nil {
		return finding, &check.Degraded{Reason: "repair.enabled: " + err.Error(), Remedy: unknown.Remedy}
	}
	return finding, nil
}

// tryRepair returns what came of it. An error says more of a result that is no success.
func (s *service) tryRepair(ctx context.Context) (result string, err error) {
	now := s.settings.Clock.Now().Boot
	last, within := s.ledger.within(s.id, now)
	switch {
	case within >= s.config.Repair.MaxPerHour:
		return resultLimited, nil
	case s.streak.repairs >= s.config.Repair.MaxPerHour:
		return resultFutile, nil
	}
	unit, err := s.askUnit(ctx)
	switch {
	case err != nil:
		return resultUnavailable, err
	case !unit.Started, !unit.Runs(): // systemd itself bounds how long it starts or stops
		return resultNotRunning, nil
	case unit.Up <= s.config.Repair.Cooldown, within > 0 && now-last <= s.config.Repair.Cooldown:
		return resultCooldown, nil
	}
	if err := s.note(ctx, now); err != nil {
		return resultNotKept, err
	}
	s.streak.repairs++
	if s.config.Repair.DryRun {
		return resultDryRun, nil
	}
	switch err := s.kill(ctx, unit.Name); {
	case err == nil:
		return resultKilled, nil
	case errors.Is(err, probe.ErrNotRunning):
		return resultNotRunning, err
	default:
		return resultFailed, err
	}
}

func (s *service) askUnit(ctx context.Context) (probe.Unit, error) {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	return s.systemd.Unit(ctx, s.unit)
}

// note notes a repair before it is made, on disk where there is a state: an agent that
// is killed with what it kills must not begin to count anew.
func (s *service) note(ctx context.Context, now time.Duration) error {
	s.ledger.add(s.id, now)
	s.settings.Keeping.Changed()
	if s.settings.Keeping.Sync == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	return s.settings.Keeping.Sync(ctx)
}

// kill kills the main process of the unit. dockerd is first told to log what its
// goroutines do, and has a moment for that.
func (s *service) kill(ctx context.Context, unit string) error {
	var dumped error
	if s.dumps {
		dumped = s.signal(ctx, unit, syscall.SIGUSR1)
		timer := time.NewTimer(dumpTime)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := s.signal(ctx, unit, syscall.SIGKILL); err != nil {
		return errors.Join(dumped, err)
	}
	return nil
}

func (s *service) signal(ctx context.Context, unit string, signal syscall.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	return s.systemd.Kill(ctx, unit, signal)
}
