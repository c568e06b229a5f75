package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options of a launcher.
type Options struct {
	// Logger tells of orphans and stuck processes.
	Logger *slog.Logger
	// Proc is where this process sees its own /proc; empty: /proc.
	Proc string
}

// Launcher runs commands, and sees to it that nothing of them is left. There is one
// a process: what a command leaves behind becomes a child of the process that runs it.
// It is safe for concurrent use.
type Launcher struct {
	logger *slog.Logger
	proc   string
	layout func() *cgroupLayout

	// starting is held for reading while a process is started and noted, for writing
	// while orphans are told from what was started.
	starting sync.RWMutex

	mu      sync.Mutex
	users   int
	session int
	runs    map[*run]struct{} // under way
	begun   int               // how many runs there have been
	// unsettled is when the first run began, on the boot clock, of those of which something
	// may be left; nil: nothing is.
	unsettled *time.Duration
	own       map[int]struct{}     // processes that were started and not reaped
	stuck     map[string]*stuck    // by key
	silent    map[string]struct{}  // keys whose executable is being read, and does not answer
	groups    map[*cgroup]struct{} // that could not be removed yet
	sweeper   *sweeper
	waiting   sync.WaitGroup // for stuck processes
}

// stuck is a process that outlived its SIGKILL; quit is closed to wait no longer.
type stuck struct {
	Stuck
	run  *run
	quit chan struct{}
}

// NewLauncher returns a launcher that nobody has opened.
func NewLauncher(options Options) *Launcher {
	l := &Launcher{
		logger: options.Logger, proc: options.Proc,
		runs: map[*run]struct{}{}, own: map[int]struct{}{}, stuck: map[string]*stuck{}, silent: map[string]struct{}{}, groups: map[*cgroup]struct{}{},
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if l.proc == "" {
		l.proc = "/proc"
	}
	l.layout = sync.OnceValue(func() *cgroupLayout {
		layout := readCgroupLayout(l.proc)
		layout.removeStale(l.proc)
		return layout
	})
	return l
}

// Open makes this process take in what commands leave behind (PR_SET_CHILD_SUBREAPER,
// prctl(2)). Each Open is followed by a Close.
func (l *Launcher) Open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users > 0 {
		l.users++
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("take in orphans (PR_SET_CHILD_SUBREAPER): %w", err)
	}
	session, err := unix.Getsid(0)
	if err != nil {
		return fmt.Errorf("find the own session: %w", err)
	}
	l.users, l.session = 1, session
	l.keepFiles()
	l.sweeper = startSweeper(l)
	return nil
}

// keepFiles keeps files that this process has inherited from being inherited on. What
// it opens itself is not.
func (l *Launcher) keepFiles() {
	dir, err := os.Open(filepath.Join(l.proc, "self/fd"))
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1) // what was read counts
	for _, fd := range numbers(names) {
		if fd > unix.Stderr {
			unix.CloseOnExec(fd)
		}
	}
}

// Close ends what the first Open began, if it is the last: orphans are killed and
// reaped. All runs have ended before. Stuck processes are still waited for: who opens
// the launcher again must not start another beside them. The error tells that orphans
// did not end in time.
func (l *Launcher) Close(ctx context.Context) error {
	l.mu.Lock()
	if l.users--; l.users > 0 {
		l.mu.Unlock()
		return nil
	}
	sweeper := l.sweeper
	l.sweeper = nil
	l.mu.Unlock()
	err := sweeper.shutdown(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == 0 { // else another has opened it meanwhile
		err = errors.Join(err, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0))
	}
	return err
}

// Abandon leaves stuck processes to the kernel. Nobody opens the launcher any more.
func (l *Launcher) Abandon() {
	l.mu.Lock()
	for _, one := range l.stuck {
		close(one.quit)
	}
	l.mu.Unlock()
	l.waiting.Wait()
}

// Stuck returns the process of a key that outlived its SIGKILL and is still there.
func (l *Launcher) Stuck(key string) (Stuck, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.stuck[key]
	if !ok {
		return Stuck{}, false
	}
	return one.Stuck, true
}

// StuckCount returns how many of the keys have a stuck process.
func (l *Launcher) StuckCount(keys []string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		if _, ok := l.stuck[key]; ok {
			n++
		}
	}
	return n
}

// begin notes a run, once no other of its key is under way: over a reload there may be
// one that is being ended.
func (l *Launcher) begin(ctx context.Context, r *run) error {
	for {
		other, err := l.tryBegin(r)
		if other == nil {
			return err
		}
		select {
		case <-other.over:
		case <-ctx.Done():
			return nil
		}
	}
}

// tryBegin notes a run, or returns the one that it must wait for.
func (l *Launcher) tryBegin(r *run) (other *run, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == 0 {
		return nil, ErrClosed
	}
	if one, ok := l.stuck[r.command.Key]; ok {
		return nil, fmt.Errorf("%w: process %d, killed %s", ErrStuck, one.PID, one.Since.UTC().Format(time.RFC3339))
	}
	if _, ok := l.silent[r.command.Key]; ok {
		return nil, fmt.Errorf("read %s: %w", r.command.Path, ErrNoAnswer)
	}
	for other := range l.runs {
		if other.command.Key == r.command.Key {
			return other, nil
		}
	}
	l.runs[r] = struct{}{}
	l.begun++
	if l.unsettled == nil || r.began < *l.unsettled {
		l.unsettled = &r.began
	}
	return nil, nil
}

// end forgets a run; what it has left is looked for.
func (l *Launcher) end(r *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.runs, r)
	close(r.over)
	if l.sweeper != nil {
		l.sweeper.wake()
	}
}

// start starts and notes the process of a run.
func (l *Launcher) start(c *Command, files [3]*os.File, group *cgroup) (*process, error) {
	l.starting.RLock()
	defer l.starting.RUnlock()
	p, err := group.start(c, files)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own[p.pid] = struct{}{}
	return p, nil
}

// forget forgets a process that is reaped or given up.
func (l *Launcher) forget(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.own, p.pid)
}

// remove removes the cgroup of a run, now or later.
func (l *Launcher) remove(group *cgroup) {
	if group == nil || group.remove() == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.groups[group] = struct{}{}
}

// watchStuck waits in the background until a process that outlived its SIGKILL ends.
func (l *Launcher) watchStuck(r *run, what Stuck) {
	one := &stuck{Stuck: what, run: r, quit: make(chan struct{})}
	l.logger.Warn("a command has outlived SIGKILL: it is not started again until its process is gone",
		"command", r.command.Path, "key", r.command.Key, "pid", what.PID, "state", what.State)
	l.mu.Lock()
	l.stuck[r.command.Key] = one
	l.mu.Unlock()
	l.waiting.Go(func() {
		select {
		case <-r.process.exited:
			r.clean()
			l.logger.Info("a command that had outlived SIGKILL has ended", "command", r.command.Path, "key", r.command.Key, "pid", what.PID)
		case <-one.quit:
			r.process.giveUp()
			l.forget(r.process)
		}
		l.mu.Lock()
		delete(l.stuck, r.command.Key)
		if l.sweeper != nil {
			l.sweeper.wake()
		}
		l.mu.Unlock()
	})
}

// Why returns what to tell of a command that was not started.
func Why(err error) string {
	switch {
	case errors.Is(err, ErrNoAnswer):
		return "the file system that it is on does not answer"
	case errors.Is(err, unix.ENOENT):
		return "it, its interpreter or its working directory does not exist"
	case errors.Is(err, unix.EACCES):
		return "it is not executable, or may not be run"
	case errors.Is(err, unix.ENOEXEC):
		return "it is no program: a script begins with #! and its interpreter"
	case errors.Is(err, unix.ETXTBSY):
		return "it is being written"
	case errors.Is(err, unix.EPERM):
		return "another user or group needs root (CAP_SETUID, CAP_SETGID)"
	default:
		return err.Error()
	}
}
