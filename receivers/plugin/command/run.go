package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The graces of a run.
const (
	// pipeGrace is how long a pipe may stay open behind the process that it was made for.
	pipeGrace = 250 * time.Millisecond
	// killPatience is how long a process may take to die of SIGKILL. What takes longer is
	// in the kernel, and not in a hurry.
	killPatience = time.Second
)

// run is one run of a command.
type run struct {
	launcher *Launcher
	command  *Command
	began    time.Duration // on the boot clock
	over     chan struct{} // closed at its end
	process  *process
	group    *cgroup // nil: there is none
	stdout   *output
	stderr   *output
}

// Run runs a command to its end. It ends early with ctx, by SIGTERM and after the
// command's grace SIGKILL; atOnce, where it is closed, leaves no grace.
func (l *Launcher) Run(ctx context.Context, atOnce <-chan struct{}, c *Command) Result {
	r := &run{launcher: l, command: c, began: bootClock(), over: make(chan struct{})}
	began := time.Now()
	if err := l.begin(ctx, r); err != nil {
		return Result{End: NotStarted, Err: err}
	}
	defer l.end(r)
	if ctx.Err() != nil {
		return Result{End: Cancelled}
	}
	if err := l.answers(ctx, atOnce, c); err != nil {
		return Result{End: NotStarted, Err: err}
	}
	unlimited, err := r.start()
	if err != nil {
		return Result{End: NotStarted, Err: err, Unlimited: unlimited}
	}
	result := r.finish(ctx, atOnce)
	result.Unlimited, result.Took = unlimited, time.Since(began)
	return result
}

func bootClock() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // it exists since Linux 2.6.39 and does not fail
	return time.Duration(t.Nano())
}

// start starts the process, with pipes that are read. unlimited tells why it runs
// without its limits.
func (r *run) start() (unlimited, err error) {
	if !r.command.Limits.IsZero() {
		r.group, unlimited = r.launcher.layout().newCgroup(r.command.Limits)
	}
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		return unlimited, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer func() { _ = stdin.Close() }()
	out, outEnd, err := os.Pipe()
	if err != nil {
		return unlimited, fmt.Errorf("make a pipe: %w", err)
	}
	errs, errEnd, err := os.Pipe()
	if err != nil {
		return unlimited, errors.Join(fmt.Errorf("make a pipe: %w", err), out.Close(), outEnd.Close())
	}
	files := [3]*os.File{stdin, outEnd, errEnd}
	r.process, err = r.launcher.start(r.command, files, r.group)
	if errors.Is(err, unix.ENOSYS) && r.group != nil {
		unlimited = errors.New("limits need clone3(2) with cgroups: Linux 5.7, and a seccomp profile that allows it")
		r.launcher.remove(r.group)
		r.group = nil
		r.process, err = r.launcher.start(r.command, files, nil)
	}
	_, _ = outEnd.Close(), errEnd.Close() // ours; nothing was written
	if err != nil {
		_, _ = out.Close(), errs.Close()
		r.launcher.remove(r.group)
		return unlimited, fmt.Errorf("start %s: %w", r.command.Path, err)
	}
	r.stdout, r.stderr = newOutput(out, r.command.Keep), newOutput(errs, r.command.Keep)
	if r.command.Nice > 0 {
		r.process.lower(r.command.Nice)
	}
	return unlimited, nil
}

// finish waits until the run is over, and leaves nothing of it.
func (r *run) finish(ctx context.Context, atOnce <-chan struct{}) Result {
	result := Result{End: r.await(ctx, atOnce)}
	if result.End != Exited {
		r.terminate(atOnce)
	}
	select {
	case <-r.process.exited:
	default:
		result.Stuck = &Stuck{PID: r.process.pid, State: stateOf(r.launcher.proc, r.process.pid), Since: time.Now()}
	}
	finish(pipeGrace, r.stdout, r.stderr)
	result.Stdout, result.Truncated, result.Stderr = r.stdout.kept, r.stdout.truncated, r.stderr.kept
	if result.Stuck != nil {
		r.launcher.watchStuck(r, *result.Stuck)
		return result
	}
	result.OutOfMemory = r.group.outOfMemory()
	result.Status = r.clean()
	return result
}

// await waits for the end of the process, of its time, or of ctx.
func (r *run) await(ctx context.Context, atOnce <-chan struct{}) End {
	var timeout <-chan time.Time
	if r.command.Timeout > 0 {
		timer := time.NewTimer(r.command.Timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-r.process.exited:
		return Exited
	case <-timeout:
		return TimedOut
	case <-ctx.Done():
		return Cancelled
	case <-atOnce:
		return Cancelled
	}
}

// terminate ends the processes of the run.
func (r *run) terminate(atOnce <-chan struct{}) {
	if r.command.KillGrace > 0 {
		r.process.signal(syscall.SIGTERM)
		if r.exitsWithin(r.command.KillGrace, atOnce) {
			return
		}
	}
	r.kill()
	r.exitsWithin(killPatience, nil)
}

// exitsWithin waits for the end of the process for some time.
func (r *run) exitsWithin(patience time.Duration, hurry <-chan struct{}) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.process.exited:
		return true
	case <-timer.C:
	case <-hurry:
	}
	return false
}

func (r *run) kill() {
	r.process.signal(syscall.SIGKILL)
	r.group.kill()
}

// clean kills what is left of a run whose first process has ended, and reaps that
// one. Others become children of this process: the sweeper reaps them.
func (r *run) clean() syscall.WaitStatus {
	r.kill()
	status, err := r.process.reap()
	if err != nil {
		r.launcher.logger.Error("the end of a command got lost", "command", r.command.Path, "error", err)
	}
	r.launcher.forget(r.process)
	r.launcher.remove(r.group)
	return status
}
