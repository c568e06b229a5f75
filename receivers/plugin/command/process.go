package command

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is the first process of a run, from its start until it is reaped. It leads
// a session and a process group, whose number is its own.
type process struct {
	pid int
	// pidfd is readable once the process has ended; nil: the kernel has none (before
	// 5.4).
	pidfd *os.File
	// exited is closed once it has ended, or is given up.
	exited chan struct{}
	// abandon is closed to give it up where there is no pidfd.
	abandon chan struct{}
}

// start starts a process in a session of its own.
func start(c *Command, files [3]*os.File, cgroup *os.File) (*process, error) {
	pidfd := -1
	attributes := &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	if c.User != nil || c.Group != nil {
		attributes.Credential = credential(c)
	}
	if cgroup != nil {
		attributes.UseCgroupFD, attributes.CgroupFD = true, int(cgroup.Fd())
	}
	//nolint:gosec // commands are the operator's own
	pid, err := syscall.ForkExec(c.Path, append([]string{c.Path}, c.Args...), &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: []uintptr{files[0].Fd(), files[1].Fd(), files[2].Fd()}, Sys: attributes,
	})
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, exited: make(chan struct{}), abandon: make(chan struct{})}
	p.watch(pidfd)
	return p, nil
}

func credential(c *Command) *syscall.Credential {
	own := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())} //nolint:gosec // ids are never negative
	if c.User != nil {
		own.Uid = *c.User
	}
	if c.Group != nil {
		own.Gid = *c.Group
	}
	return own
}

// watch closes exited when the process has ended. It waits at the pidfd, which costs
// no thread and can be given up.
func (p *process) watch(pidfd int) {
	if pidfd >= 0 && unix.SetNonblock(pidfd, true) == nil {
		p.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	}
	go func() {
		defer close(p.exited)
		if p.pidfd == nil || !p.await() {
			p.poll()
		}
	}()
}

// await waits at the pidfd. It is false where that is not possible.
func (p *process) await() bool {
	raw, err := p.pidfd.SyscallConn()
	if err != nil || p.pidfd.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	err = raw.Read(func(uintptr) bool { return p.ended() })
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded) // by which it is given up
}

// poll looks again and again, for kernels without pidfds.
func (p *process) poll() {
	const most = 50 * time.Millisecond
	for pause := time.Millisecond; !p.ended(); pause = min(2*pause, most) {
		select {
		case <-time.After(pause):
		case <-p.abandon:
			return
		}
	}
}

// ended tells whether the process has ended. It stays a zombie, so that its number is
// nobody else's.
func (p *process) ended() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, p.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == unix.ECHILD || (err == nil && info.Signo != 0)
}

// signal sends a signal to the group. It is called before the process is reaped: its
// number is its own as long.
func (p *process) signal(s syscall.Signal) {
	_ = syscall.Kill(-p.pid, s) // an error says that nobody is left
}

// lower adds to the niceness of all that the process has become so far.
func (p *process) lower(nice int) {
	const offset, most = 20, 19 // the system call returns 20 - niceness
	own, err := unix.Getpriority(unix.PRIO_PROCESS, p.pid)
	if err != nil {
		return // it has ended
	}
	_ = unix.Setpriority(unix.PRIO_PGRP, p.pid, min(most, offset-own+nice)) // it may have ended
}

// reap takes the status of a process that has ended.
func (p *process) reap() (syscall.WaitStatus, error) {
	p.release()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.pid, &status, 0, nil)
		if err == nil {
			return status, nil
		}
		if err != syscall.EINTR {
			return status, fmt.Errorf("reap process %d: %w", p.pid, err)
		}
	}
}

// giveUp ends the watching of a process that has not ended.
func (p *process) giveUp() {
	close(p.abandon)
	if p.pidfd != nil {
		_ = p.pidfd.SetReadDeadline(time.Now()) // where there are none, nobody waits at it
	}
	<-p.exited
	p.release()
}

func (p *process) release() {
	if p.pidfd != nil {
		_ = p.pidfd.Close() // nothing was written
	}
}
