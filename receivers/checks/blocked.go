package checks

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// BlockedProcessesConfig is how long, in seconds, a process has been in
// uninterruptible sleep without having run once, as where a disk or a file server
// does not answer. Only the main thread of a process is looked at. A paused
// container of cgroup version 1 looks the same, and is left out. The kernel itself
// may wait that long for a slow device on a node that is well: so it is off.
type BlockedProcessesConfig struct {
	Base `yaml:",inline"`
	// KernelThreads includes threads of the kernel.
	KernelThreads bool `yaml:"kernel_threads"`
}

func defaultBlockedProcesses() BlockedProcessesConfig {
	return BlockedProcessesConfig{Base: Base{
		Interval: time.Minute, Condition: "BlockedProcesses",
		Warn: Limit{Enter: 120, Reason: "ProcessBlocked"},
		Fail: Limit{Enter: 600, Reason: "ProcessHangs"},
	}}
}

func (c *BlockedProcessesConfig) entry() entry {
	return entry{
		name: "blocked_processes", class: "hung-task", unit: seconds, base: &c.Base, asks: c,
		// Processes have waited for minutes in uninterruptible sleep, mostly for a disk or a file server that does
		// not answer.
		// Remedy: see what they wait for (`cat /proc/PID/stack`), mend or unmount the storage; a reboot ends what
		// cannot be ended.
		brings: healthyType("BlockedProcesses", "NoBlockedProcesses", "no process hangs in uninterruptible sleep"),
		measures: func(s *system) measure {
			b := blocked{system: s, kernelThreads: c.KernelThreads}
			return b.measure
		},
	}
}

// blocked remembers who was blocked at the last look. Its process sleeps if at two
// looks it is in state D and has not run in between: that is how the kernel's own
// detector of hung tasks knows them (kernel/hung_task.c).
type blocked struct {
	system        *system
	kernelThreads bool

	looked time.Duration // when the last look was, on the boot clock; 0: never
	known  map[int]sleeper
}

// sleeper is a process in uninterruptible sleep.
type sleeper struct {
	pid      int
	name     string
	start    uint64
	switches uint64        // how often it has run
	since    time.Duration // when it was first seen so
	atMost   time.Duration // how long it may have been so before that
}

func (b *blocked) measure(ctx context.Context) (measured, error) {
	list, err := b.system.processes(ctx)
	if err != nil {
		return measured{}, err
	}
	now := b.system.clock.Now().Boot
	before := now // a process seen first now may have slept since the boot
	if b.looked != 0 {
		before = now - b.looked
	}
	known := map[int]sleeper{}
	for i := range list {
		if p := &list[i]; p.state == 'D' && (b.kernelThreads || !p.kernel()) {
			one, err := b.sleeper(p, now, before)
			switch {
			case ifAlive(err) != nil:
				return measured{}, fmt.Errorf("look closer at %s: %w", p, err)
			case err == nil && one.pid != 0:
				known[p.pid] = one
			}
		}
	}
	b.known, b.looked = known, now
	return measured{figures: []figure{b.figure(now)}}, nil
}

// sleeper looks closer at a process in state D. One that is frozen has no pid.
func (b *blocked) sleeper(p *process, now, before time.Duration) (sleeper, error) {
	dir := b.system.proc(strconv.Itoa(p.pid))
	text, err := readFile(filepath.Join(dir, "status"))
	if err != nil {
		return sleeper{}, err
	}
	switches, err := contextSwitches(text)
	if err != nil {
		return sleeper{}, err
	}
	frozen, err := b.system.frozen(dir)
	if err != nil || frozen {
		return sleeper{}, err
	}
	if old := b.known[p.pid]; old.start == p.start && old.switches == switches {
		return old, nil
	}
	return sleeper{pid: p.pid, name: p.String(), start: p.start, switches: switches, since: now, atMost: before}, nil
}

// figure tells of the one that has slept longest. Of one that was seen first at the
// first look, nobody knows how long: it ends no problem, and begins none.
func (b *blocked) figure(now time.Duration) figure {
	var longest, atMost time.Duration
	var all []ranked
	for _, one := range b.known {
		slept := now - one.since
		longest, atMost = max(longest, slept), max(atMost, slept+one.atMost)
		all = append(all, ranked{one.name, uint64(slept / time.Second)}) //nolint:gosec // it is positive
	}
	if len(all) == 0 {
		return figure{text: "no process is blocked"}
	}
	return figure{
		value: longest.Seconds(), atMost: atMost.Seconds(),
		text: fmt.Sprintf("blocked processes: %d, the longest for %s s at least", len(all), decimal(float64(longest/time.Second))),
		top:  func() string { return topText(all) + " s" },
	}
}

var errStatus = errors.New("it does not tell how often the process has run")

// contextSwitches reads how often a process has been given up a CPU, out of
// /proc/PID/status (proc_pid_status(5)).
func contextSwitches(text string) (sum uint64, err error) {
	found := 0
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		if name != "voluntary_ctxt_switches" && name != "nonvoluntary_ctxt_switches" {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return 0, errStatus
		}
		sum += n
		found++
	}
	if found != 2 {
		return 0, errStatus
	}
	return sum, nil
}

// frozen tells whether a process is in a frozen cgroup of version 1, where it is
// shown as uninterruptible (cgroup-v1/freezer-subsystem.rst).
func (s *system) frozen(dir string) (bool, error) {
	if !exists(s.proc("cgroups")) {
		return false, nil // the kernel has no cgroups
	}
	text, err := readFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return false, err
	}
	own := freezerOf(text)
	if own == "/" {
		return false, nil
	}
	state, err := readFile(filepath.Join(s.sys("fs/cgroup/freezer"), own, "freezer.state"))
	if err != nil {
		return false, hostview.NewBlind(
			"it cannot be seen whether the cgroup "+own+" is frozen: "+err.Error(),
			"mount the host's /sys/fs/cgroup and set service.host.sys, or turn the check off",
		)
	}
	return strings.TrimSpace(state) != "THAWED", nil
}

// freezerOf reads the path of a process in the hierarchy of the freezer, version 1,
// out of /proc/PID/cgroup: hierarchy:controllers:path a line (cgroups(7)). The root, /,
// is never frozen.
func freezerOf(text string) string {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) == 3 && slices.Contains(strings.Split(parts[1], ","), "freezer") {
			return path.Clean("/" + parts[2])
		}
	}
	return "/"
}
