package command

import (
	"errors"
	"syscall"
	"time"
)

// Command is what to run.
type Command struct {
	// Key names what the command is for: of a key one is run at a time, and none while a
	// process of it is stuck.
	Key string
	// Path of the executable; relative ones are seen from Dir. PATH is not searched.
	Path string
	// Args are those behind the path.
	Args []string
	// Env is the whole environment, NAME=VALUE.
	Env []string
	// Dir is the working directory.
	Dir string
	// User and Group it runs as, without other groups; nil: those of the agent.
	User, Group *uint32
	// Nice is added to the agent's own niceness, 0 to 19.
	Nice int
	// Limits of all processes of a run together.
	Limits Limits
	// Timeout is how long it may run; 0: as long as the context lets.
	Timeout time.Duration
	// KillGrace is the time between SIGTERM and SIGKILL; 0: SIGKILL at once.
	KillGrace time.Duration
	// Keep is how many bytes of standard output are kept, and of standard error; the
	// rest is read and forgotten.
	Keep int
}

// Limits of what a run may use; 0: no limit. They are set through cgroups.
type Limits struct {
	// Memory in bytes. Over it the kernel kills a process of the run.
	Memory int64
	// CPUs is how many processors' time it may take, for example 0.5.
	CPUs float64
	// PIDs is how many processes and threads there may be at once.
	PIDs int
}

// IsZero tells whether there is no limit.
func (l Limits) IsZero() bool { return l == Limits{} }

// End is how a run came to its end.
type End int

// The ends that there are.
const (
	// Exited: it ended by itself; Status tells how.
	Exited End = iota
	// TimedOut: it was killed since its time was over.
	TimedOut
	// Cancelled: it was killed since the context ended.
	Cancelled
	// NotStarted: it could not be started; Err tells why.
	NotStarted
)

// Result is what came of a run.
type Result struct {
	End End
	// Status is that of the process; not known where it was not started or is stuck.
	Status syscall.WaitStatus
	// Err is why it was not started.
	Err error
	// Unlimited is why limits are not in force although it ran; nil: they are.
	Unlimited error
	// OutOfMemory tells that the kernel killed something of it at its memory limit.
	OutOfMemory bool
	// Stdout and Stderr are the first bytes of either.
	Stdout, Stderr []byte
	// Truncated tells that there was more of Stdout.
	Truncated bool
	// Took is how long it was, from the start to the end.
	Took time.Duration
	// Stuck is set where it outlived its SIGKILL.
	Stuck *Stuck
}

// Stuck is a process that outlived its SIGKILL.
type Stuck struct {
	// PID of the process.
	PID int
	// State as /proc tells it, for example D; empty: it could not be read.
	State string
	// Since is when it was killed.
	Since time.Time
}

// ErrStuck is why a command is not started while an earlier process of it is stuck.
var ErrStuck = errors.New("its last process has outlived SIGKILL and is still there")

// ErrClosed is why a command is not started when nobody has opened the launcher.
var ErrClosed = errors.New("the launcher is closed")
