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

// The pauses of the sweeper.
const (
	sweepPause = 500 * time.Millisecond
	// dyingPause is the first pause while there are orphans that have been killed.
	dyingPause = 20 * time.Millisecond
)

// sweeper finds what commands have left: processes that have got out of their group
// (daemons) and became children of this process when their parents ended. They are
// killed once every run that may have started them is over, and reaped.
//
// Not every child is one of those. Process 1 of a container gets what `kubectl exec` or
// its own entry point has left. It is left alone if it started before the runs of which
// something may be there still ([Launcher.unsettled]).
type sweeper struct {
	launcher   *Launcher
	woken      chan struct{}
	quit, done chan struct{}
}

func startSweeper(l *Launcher) *sweeper {
	s := &sweeper{launcher: l, woken: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.loop()
	}()
	return s
}

// wake lets the sweeper look, soon.
func (s *sweeper) wake() {
	select {
	case s.woken <- struct{}{}:
	default: // it will
	}
}

func (s *sweeper) loop() {
	const first = dyingPause / 2
	for dying := first; ; {
		select {
		case <-s.woken:
		case <-s.quit:
			return
		}
		pause := sweepPause
		if s.launcher.sweep() > 0 {
			dying = min(2*dying, sweepPause) // what does not die may take for ever
			pause = dying
			s.wake()
		} else {
			dying = first
		}
		select {
		case <-time.After(pause):
		case <-s.quit:
			return
		}
	}
}

// shutdown ends the sweeping once no orphan is left, within the time that killing
// takes.
func (s *sweeper) shutdown(ctx context.Context) error {
	close(s.quit)
	<-s.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killPatience)
	defer cancel()
	for {
		left := s.launcher.sweep()
		if left == 0 {
			return nil
		}
		select {
		case <-time.After(dyingPause):
		case <-ctx.Done():
			return fmt.Errorf("wait for %d processes or cgroups that commands have left: %w", left, context.Cause(ctx))
		}
	}
}

// sweep looks once. It returns how many orphans have been killed and are not reaped
// yet, and cgroups not removed.
func (l *Launcher) sweep() (left int) {
	left = l.removeGroups()
	last := l.lastBegun()
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if errors.Is(err, unix.ECHILD) {
		l.settle(last)
		return left // the usual case costs one call
	}
	settled := true
	for _, pid := range children(l.proc) {
		if !l.isForeign(pid) {
			continue
		}
		switch l.orphan(pid) {
		case dying:
			left++
			settled = false
		case undecided:
			settled = false
		case gone, strange:
		}
	}
	if settled {
		l.settle(last)
	}
	return left
}

// lastBegun returns the number of the run that began last.
func (l *Launcher) lastBegun() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

// settle notes that nothing of any run is left: if none is under way, and none has begun
// since the one of that number. What becomes a child from now on is of no run before: all
// that a run leaves does so, from the top, as soon as its parent ends.
func (l *Launcher) settle(last int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun == last && len(l.runs) == 0 && len(l.stuck) == 0 {
		l.unsettled = nil
	}
}

// isForeign tells whether a child may be one that no run has started itself.
func (l *Launcher) isForeign(pid int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, own := l.own[pid]
	return !own
}

// found is what a child that no run has started itself turned out to be.
type found int

const (
	gone      found = iota // reaped, or no child
	strange                // none that a command has left
	undecided              // a run that is under way may have left it, or it is in state D
	dying                  // killed, and there still; or to be looked at soon
)

// orphan kills or reaps a child that no run has started itself. Nobody else reaps
// children, so that a child's number is its own until here.
func (l *Launcher) orphan(pid int) found {
	// With the lock each child that was started is noted. It is not waited for: a start
	// takes as long as the file system of the executable does, and others would queue
	// behind who waits.
	if !l.starting.TryLock() {
		return dying
	}
	defer l.starting.Unlock()
	s, ok := readStat(l.proc, pid)
	// Commands have sessions of their own, and so has all that comes of them: a child
	// in this process' session is somebody else's.
	if !ok || !l.isForeign(pid) || s.parent != os.Getpid() || s.session == l.session {
		return gone
	}
	if s.state == "Z" {
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // a zombie is there to be reaped
		return gone
	}
	if is := l.origin(s); is != dying {
		return is
	}
	l.logger.Debug("a process that a command has left behind is killed", "pid", pid, "state", s.state)
	_ = syscall.Kill(pid, syscall.SIGKILL) // it is a child: it is there, if only as a zombie
	if s.group == pid {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	if s.state == "D" {
		return undecided
	}
	return dying
}

// origin tells by a process' start whether it is strange, undecided since a run that is
// under way may have started it, or to be killed: dying.
func (l *Launcher) origin(s stat) found {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unsettled == nil || s.startedBefore(*l.unsettled) {
		return strange
	}
	for r := range l.runs {
		if !s.startedBefore(r.began) {
			return undecided
		}
	}
	return dying
}

// removeGroups removes cgroups that could not be removed before, and tells how many
// are left of them.
func (l *Launcher) removeGroups() (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for group := range l.groups {
		if group.remove() == nil {
			delete(l.groups, group)
		}
	}
	return len(l.groups)
}
