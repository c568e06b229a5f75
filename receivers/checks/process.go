package checks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// process is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type process struct {
	pid, parent int
	name        string // as the process calls itself: hostile
	state       byte   // R, S, D, Z …
	flags       uint64 // PF_* in include/linux/sched.h
	threads     uint64
	start       uint64 // clock ticks since boot: it tells a pid from the same one used anew
}

var errStat = errors.New("it is not in the form of a stat file")

// parse reads the text of a stat file. The name may hold anything, brackets and
// newlines too; what is behind the last bracket is the kernel's.
func (p *process) parse(text string) error {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return errStat
	}
	// From field 3 on: state, parent, …; 20 is num_threads, 22 starttime.
	var fields [20]string
	n := 0
	for field := range strings.FieldsSeq(text[end+1:]) {
		if n == len(fields) {
			break
		}
		fields[n] = field
		n++
	}
	if n < len(fields) || len(fields[0]) != 1 || fields[0][0] >= utf8.RuneSelf {
		return errStat
	}
	p.name, p.state = strings.Clone(text[open+1:end]), fields[0][0]
	var errs [5]error
	p.pid, errs[0] = strconv.Atoi(strings.TrimSpace(text[:open]))
	p.parent, errs[1] = strconv.Atoi(fields[1])
	p.flags, errs[2] = strconv.ParseUint(fields[6], 10, 64)
	p.threads, errs[3] = strconv.ParseUint(fields[17], 10, 64)
	p.start, errs[4] = strconv.ParseUint(fields[19], 10, 64)
	return errors.Join(errs[:]...)
}

// kernel tells whether it is a thread of the kernel.
func (p *process) kernel() bool { return p.flags&kernelThread != 0 }

// String names a process in a message: java[4711].
func (p *process) String() string {
	return harmless(p.name, 32) + "[" + strconv.Itoa(p.pid) + "]"
}

// harmless makes a name such that it can be shown, and cuts it.
func harmless(name string, longest int) string {
	name = terminal.Text(name)
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "") + "…"
	}
	return name
}

// scanAge is how old a scan of all processes may be for a check to use it: those
// that look at one moment share one.
const scanAge = 5 * time.Second

// processTable is the list of all processes, which checks share. It is safe for
// concurrent use; what it returns is not changed any more.
type processTable struct {
	proc  string
	clock pipeline.Clock

	mu      sync.Mutex
	scanned time.Duration // on the boot clock; 0: never
	list    []process
}

// processes returns all processes, as they were at most [scanAge] ago.
func (t *processTable) processes(ctx context.Context) ([]process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now().Boot
	if t.scanned != 0 && now-t.scanned < scanAge {
		return t.list, nil
	}
	list, err := scan(ctx, t.proc, len(t.list))
	if err != nil {
		return nil, fmt.Errorf("list the processes in %s: %w", t.proc, err)
	}
	t.list, t.scanned = list, now
	return list, nil
}

// scan reads the stat file of every process.
func scan(ctx context.Context, proc string, expected int) ([]process, error) {
	dir, err := os.Open(proc) //nolint:gosec // the host's own /proc
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	list := make([]process, 0, expected+expected/8)
	reader := statReader{dir: int(dir.Fd())}
	for i, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		text, err := reader.read(name)
		if text == "" && ifAlive(err) == nil {
			continue // it has ended meanwhile
		}
		var p process
		if err = cmp.Or(err, p.parse(text)); err != nil {
			return nil, fmt.Errorf("read %s/stat: %w", name, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// ifAlive is err, unless that says that the process has ended.
func ifAlive(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// statReader reads small files below a directory with as few calls as there can be:
// a node may have thousands of processes, and each look reads all.
type statReader struct {
	dir    int
	path   []byte
	buffer [1024]byte // a stat file has less; its head would do
}

// read returns the stat of a process.
func (r *statReader) read(pid string) (string, error) {
	r.path = append(append(r.path[:0], pid...), "/stat"...)
	fd, err := unix.Openat(r.dir, string(r.path), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	n, err := unix.Read(fd, r.buffer[:])
	_ = unix.Close(fd)
	if err != nil {
		return "", err
	}
	return string(r.buffer[:n]), nil
}

// ranked is a thing that has so much of something.
type ranked struct {
	name string
	n    uint64
}

// topCount is how many of those that have the most a message names.
const topCount = 5

// topText names those that have the most, the first first: "java[4711] 12,001, sh[7] 3".
func topText(list []ranked) string {
	list = slices.Clone(list)
	slices.SortFunc(list, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(y.n, x.n), cmp.Compare(x.name, y.name))
	})
	var parts []string
	for _, one := range list[:min(len(list), topCount)] {
		parts = append(parts, one.name+" "+decimal(float64(one.n)))
	}
	return strings.Join(parts, ", ")
}
