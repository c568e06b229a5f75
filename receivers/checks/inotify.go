package checks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// InotifyConfig is whether the agent's user can still make an inotify instance and a
// watch. Each user may have so many (fs.inotify.max_user_instances, max_user_watches);
// where they are used up, kubelet, containers of that user and journalctl fail with
// "too many open files" or "no space left on device". It is tried: the figure is 100 %
// where it fails, else 0, or what Count comes to.
type InotifyConfig struct {
	Base `yaml:",inline"`
	// Count makes the figure what the user has, in per cent of the limit, so that `warn`
	// can be set. It reads the file descriptors of all processes of that user: give it an
	// interval of minutes. An instance that processes share by fork counts for each.
	Count bool `yaml:"count"`
}

func defaultInotify() InotifyConfig {
	return InotifyConfig{Base: Base{
		Enabled: true, Condition: "InotifyPressure",
		Fail: Limit{Enter: 100, For: 30 * time.Second, Reason: "InotifyExhausted"},
		Warn: Limit{Reason: "InotifyHigh"},
	}}
}

func (c *InotifyConfig) entry() entry {
	return entry{
		name: "inotify", class: "inotify-exhaustion", unit: percent, base: &c.Base, asks: c, instances: true,
		// Root, or the agent's user, cannot watch files any more: `kubectl logs -f` and what reads configurations
		// anew fail.
		// Remedy: raise fs.inotify.max_user_instances and max_user_watches.
		brings: healthyType("InotifyPressure", "InotifyAvailable", "inotify instances and watches can be made"),
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return c.measure(ctx, s) }
		},
	}
}

func (c *InotifyConfig) measure(ctx context.Context, s *system) (measured, error) {
	if err := s.sharesUsers(); err != nil {
		return measured{}, err
	}
	instances, watches, err := tryInotify()
	if err != nil {
		return measured{}, err
	}
	return measured{complete: true, figures: []figure{
		c.figure(ctx, s, inotifyCount{"instances", countInstances}, instances),
		c.figure(ctx, s, inotifyCount{"watches", countWatches}, watches),
	}}, nil
}

// inotifyCount is one of the two things of which a user may have so many.
type inotifyCount struct {
	what string
	of   func(dir string) (uint64, error) // how many a process has
}

func (c *InotifyConfig) figure(ctx context.Context, s *system, n inotifyCount, canMake bool) figure {
	setting := "fs.inotify.max_user_" + n.what
	limit, err := readNumber(s.proc("sys/fs/inotify/max_user_" + n.what))
	if err == nil {
		setting += " = " + decimal(float64(limit))
	}
	f := figure{instance: n.what, top: func() string {
		return s.ranking(ctx, func(p *process) uint64 {
			own, _ := s.inotifyOf(p, n) // 0: it cannot be seen
			return own
		})
	}}
	switch {
	case !canMake:
		f.value, f.text = 100, "all inotify "+n.what+" are used"
	case !c.Count:
		f.text = "not all inotify " + n.what + " are used"
	case err != nil:
		f.err = err
	default:
		used, err := s.countInotify(ctx, n)
		share := shareOf("", used, limit, "inotify "+n.what)
		f.value, f.text, f.err = share.value, share.text+" are used", err
	}
	f.text += fmt.Sprintf(" that user %d may have (%s)", os.Geteuid(), setting)
	return f
}

// countInotify sums up what the processes of the agent's user have.
func (s *system) countInotify(ctx context.Context, n inotifyCount) (sum uint64, err error) {
	list, err := s.processes(ctx)
	if err != nil {
		return 0, err
	}
	for i := range list {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		own, err := s.inotifyOf(&list[i], n)
		if err != nil {
			return 0, hostview.NewBlind(
				fmt.Sprintf("count inotify %s of %s: %v", n.what, &list[i], err),
				"grant the agent CAP_SYS_PTRACE, or set count: false",
			)
		}
		sum += own
	}
	return sum, nil
}

// inotifyOf counts what a process has, if it is of the agent's user.
func (s *system) inotifyOf(p *process, n inotifyCount) (uint64, error) {
	dir := s.proc(strconv.Itoa(p.pid))
	if p.kernel() || p.state == 'Z' || !ownedByUs(dir) {
		return 0, nil
	}
	own, err := n.of(dir)
	return own, ifAlive(err)
}

// sharesUsers returns nil if the agent is in the host's user namespace, where an id
// stands for itself (user_namespaces(7)).
func (s *system) sharesUsers() error {
	text, err := readFile(s.proc("self/uid_map"))
	if err != nil {
		return fmt.Errorf("learn the agent's user namespace: %w", err)
	}
	if fields := strings.Fields(text); len(fields) != 3 || fields[0] != "0" || fields[1] != "0" || fields[2] != "4294967295" {
		return hostview.NewBlind("the agent runs in a user namespace of its own, whose limits are not those of the host", "run the agent with hostUsers: true, or turn the check off")
	}
	return nil
}

// tryInotify tells whether an instance and a watch can be made (inotify(7)). A watch
// that cannot be tried, for want of an instance, counts as one that can be made.
func tryInotify() (instances, watches bool, err error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	switch {
	case errors.Is(err, unix.EMFILE) && canOpen():
		return false, true, nil
	case err != nil:
		return false, false, fmt.Errorf("make an inotify instance: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	// Nothing happens to the root directory that would be told.
	_, err = unix.InotifyAddWatch(fd, "/", unix.IN_DELETE_SELF|unix.IN_ONLYDIR)
	switch {
	case errors.Is(err, unix.ENOSPC):
		return true, false, nil
	case err != nil:
		return true, false, fmt.Errorf("make an inotify watch: %w", err)
	}
	return true, true, nil
}

// canOpen tells whether this process may have one file descriptor more: else it is
// its own limit that was met.
func canOpen() bool {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err == nil
}

func ownedByUs(dir string) bool {
	text, err := readFile(filepath.Join(dir, "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(text) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok { // real, effective, saved, of the file system
			fields := strings.Fields(ids)
			return len(fields) == 4 && fields[1] == strconv.Itoa(os.Geteuid())
		}
	}
	return false
}

func countInstances(dir string) (n uint64, err error) {
	err = eachInotify(dir, func(string) error {
		n++
		return nil
	})
	return n, err
}

func countWatches(dir string) (n uint64, err error) {
	err = eachInotify(dir, func(fd string) error {
		text, err := readFile(filepath.Join(dir, "fdinfo", fd))
		n += watchesIn(text)
		return ifAlive(err)
	})
	return n, err
}

// eachInotify calls f with each file descriptor of a process that is an inotify
// instance.
func eachInotify(dir string, f func(fd string) error) error {
	file, err := os.Open(filepath.Join(dir, "fd")) //nolint:gosec // below the host's own /proc
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	names, err := file.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(dir, "fd", name))
		if err == nil && target == "anon_inode:inotify" {
			err = f(name)
		}
		if ifAlive(err) != nil {
			return err
		}
	}
	return nil
}

// watchesIn counts the watches in the fdinfo of an instance: a line "inotify wd:…"
// each (proc_pid_fdinfo(5)).
func watchesIn(text string) (n uint64) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "inotify ") {
			n++
		}
	}
	return n
}
