package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

const (
	// keepText is how much of an output of text is read, as node-problem-detector does.
	keepText = 4096
	// keepJSON is how much of an output of JSON is read.
	keepJSON = 64 << 10
	// keepLog is how much of what a command says on standard error is logged.
	keepLog = 1024
	// endPatience is how long after its timeout and grace a run may take to be told: it is
	// bounded by the launcher.
	endPatience = 2 * time.Second
	// searchPath is what commands find others by.
	searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// asker runs the command of one check.
type asker struct {
	receiver *Receiver
	config   *Config
	asks     *Check
	rule     condition.Rule
	command  command.Command
}

func newAsker(r *Receiver, config *Config, asks *Check) *asker {
	a := &asker{receiver: r, config: config, asks: asks, rule: config.rule(asks)}
	a.command = command.Command{
		Key: r.settings.ID.String() + " " + asks.ID, Path: asks.Path, Args: asks.Args, Dir: "/",
		Env:  environment(r.settings.Node, asks.Environment, config.Compatibility == compatibleNPD),
		User: number(asks.User), Group: number(asks.Group), Nice: asks.Nice,
		Limits:  command.Limits{Memory: int64(asks.Limits.MemoryMiB) << 20, CPUs: asks.Limits.CPU, PIDs: asks.Limits.PIDs},
		Timeout: config.timeout(asks), KillGrace: config.KillGrace, Keep: keepText,
	}
	if asks.Output == outputJSON {
		a.command.Keep = keepJSON
	}
	return a
}

func number(id *int) *uint32 {
	if id == nil {
		return nil
	}
	n := uint32(*id) //nolint:gosec // in range by Validate
	return &n
}

// environment is what a command sees.
func environment(node string, own map[string]string, inherit bool) (list []string) {
	all := map[string]string{"PATH": searchPath, "LANG": "C", "NODE_NAME": node}
	if inherit {
		all = map[string]string{}
		for _, one := range os.Environ() {
			name, value, _ := strings.Cut(one, "=")
			all[name] = value
		}
	}
	maps.Copy(all, own)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

func (a *asker) check() check.Check {
	return check.Check{
		ID: a.asks.ID, Rules: []condition.Rule{a.rule}, Interval: a.config.interval(a.asks),
		Timeout: a.command.Timeout + a.command.KillGrace + endPatience,
		Run:     a.run,
	}
}

// run runs the command once.
func (a *asker) run(ctx context.Context) check.Report {
	result := a.receiver.launcher.Run(ctx, a.receiver.atOnce, &a.command)
	a.note(ctx, &result)
	report, told := a.report(ctx, &result)
	a.receiver.metrics.tell(a.asks.ID, told)
	for i := range report.Findings {
		a.finish(&report.Findings[i])
	}
	return report
}

// finish lets the check's own words hold for what cannot be told.
func (a *asker) finish(finding *check.Finding) {
	finding.Message = command.Cut(finding.Message, a.config.MaxMessage)
	switch {
	case finding.State != pipeline.StateUnknown:
	case a.asks.UnknownIsProblem:
		finding.State = pipeline.StateProblem
	case finding.Reason == "":
		finding.Reason = a.asks.UnknownReason
	}
}

// note counts and logs what went wrong in a run.
func (a *asker) note(ctx context.Context, result *command.Result) {
	for _, one := range []struct {
		is     bool
		reason string
	}{
		{result.Stuck != nil || errors.Is(result.Err, command.ErrStuck), failedStuck},
		{result.Err != nil && !errors.Is(result.Err, command.ErrStuck), failedStart},
		{result.End == command.TimedOut, failedTimeout},
		{result.End == command.Exited && result.Status.Signaled(), failedSignal},
		{result.OutOfMemory, failedMemory},
		{result.Unlimited != nil, failedUnlimited},
	} {
		if one.is {
			a.receiver.metrics.fail(ctx, one.reason)
		}
	}
	if result.Truncated {
		a.receiver.metrics.cut(ctx, cutOutput)
	}
	logger := a.receiver.settings.Logger
	if result.Err != nil {
		logger.Warn("a command cannot be started", "check", a.asks.ID, "command", a.asks.Path, "error", result.Err)
	}
	if len(result.Stderr) > 0 {
		logger.Debug("a command wrote to standard error", "check", a.asks.ID, "text", command.Cut(command.Text(result.Stderr, true), keepLog))
	}
}

// report says what a run has found, and the figures that it told.
func (a *asker) report(ctx context.Context, result *command.Result) (check.Report, map[series]float64) {
	report := check.Report{Degraded: a.degraded(result)}
	if why, unknown := a.cannotTell(result); unknown {
		report.Findings = []check.Finding{{State: pipeline.StateUnknown, Message: why}}
		return report, nil
	}
	if a.asks.Output == outputJSON {
		return a.fromJSON(ctx, report, result)
	}
	// It tells of the whole: there are no instances, or not any more.
	report.Findings, report.Complete = []check.Finding{a.fromText(result)}, true
	return report, nil
}

// degraded says what keeps the command from being run as it should.
func (a *asker) degraded(result *command.Result) *check.Degraded {
	switch {
	case errors.Is(result.Err, command.ErrStuck):
		return &check.Degraded{Reason: result.Err.Error(), Remedy: "see what it waits for in the kernel: a file system or a device may not answer"}
	case result.Stuck != nil:
		return &check.Degraded{Reason: stuckText(a.asks.Path, result.Stuck), Remedy: "see what it waits for in the kernel: a file system or a device may not answer"}
	case result.Err != nil:
		return &check.Degraded{Reason: fmt.Sprintf("%s cannot be started: %s", a.asks.Path, command.Why(result.Err)), Remedy: "mount or install what is missing, or correct the path"}
	case result.Unlimited != nil:
		return &check.Degraded{Reason: fmt.Sprintf("it runs without its limits: %v", result.Unlimited), Remedy: "give otelnpd cgroups that it may write, or take out limits"}
	default:
		return nil
	}
}

func stuckText(path string, stuck *command.Stuck) string {
	return fmt.Sprintf("%s outlived SIGKILL: process %d, state %s; it is not started again until that is gone", path, stuck.PID, stuck.State)
}

// cannotTell says why a run says nothing; unknown is false if it does.
func (a *asker) cannotTell(result *command.Result) (why string, unknown bool) {
	switch {
	case errors.Is(result.Err, command.ErrStuck):
		return fmt.Sprintf("%s is not started: %v", a.asks.Path, result.Err), true
	case result.Stuck != nil:
		return stuckText(a.asks.Path, result.Stuck), true
	case result.Err != nil && a.likeNPD():
		return "Error in starting plugin. Please check the error log", true
	case result.Err != nil:
		return fmt.Sprintf("%s cannot be started: %s", a.asks.Path, command.Why(result.Err)), true
	case result.End == command.TimedOut:
		return a.timeoutText(result), true
	case result.End == command.Cancelled:
		return fmt.Sprintf("%s was ended, since the agent ends or reloads", a.asks.Path), true
	case result.OutOfMemory && result.Status.Signaled():
		return fmt.Sprintf("%s went over its memory limit of %d MiB", a.asks.Path, a.asks.Limits.MemoryMiB), true
	}
	return "", false
}

func (a *asker) likeNPD() bool { return a.config.Compatibility == compatibleNPD }

// timeoutText is what is told of a run that took too long.
func (a *asker) timeoutText(result *command.Result) string {
	if a.likeNPD() {
		output := strings.TrimSpace(string(command.WholeRunes(result.Stdout)))
		return fmt.Sprintf("Timeout when running plugin %q: state - %s. output - %q", a.asks.Path, stateText(result.Status), output)
	}
	text := fmt.Sprintf("%s did not end within %s", a.asks.Path, a.command.Timeout)
	if output := command.Text(result.Stdout, result.Truncated); output != "" {
		text += ": " + output
	}
	return text
}

// stateText tells how a process ended, in the words of Go's os.ProcessState, which
// node-problem-detector uses.
func stateText(status syscall.WaitStatus) string {
	text := fmt.Sprintf("exit status %d", status.ExitStatus())
	if status.Signaled() {
		text = "signal: " + status.Signal().String()
	}
	if status.CoreDump() {
		text += " (core dumped)"
	}
	return text
}
