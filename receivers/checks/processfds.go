package checks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// ProcessFileDescriptorsConfig is how many files a process has open, in per cent of
// its own limit (RLIMIT_NOFILE). Many programs live near theirs and are well: so it is
// off, and best given the names of those that the node needs. Each process is an instance.
type ProcessFileDescriptorsConfig struct {
	Base `yaml:",inline"`
	// Names are the processes that are looked at, by the names in /proc/PID/comm, which have
	// at most 15 bytes; * stands for any text.
	Names []string `yaml:"names"`
}

func defaultProcessFileDescriptors() ProcessFileDescriptorsConfig {
	return ProcessFileDescriptorsConfig{
		Base: Base{
			Interval: time.Minute, Condition: "ProcessFileDescriptorPressure",
			Warn: Limit{Enter: 80, Leave: 70, For: time.Minute, Reason: "ProcessFileDescriptorsHigh"},
			Fail: Limit{Enter: 95, Leave: 85, For: time.Minute, Reason: "ProcessFileDescriptorsExhausted"},
		},
		Names: []string{"kubelet", "containerd", "crio", "dockerd", "systemd"},
	}
}

func (c *ProcessFileDescriptorsConfig) entry() entry {
	return entry{
		name: "process_file_descriptors", class: "file-descriptor-exhaustion", unit: percent, base: &c.Base, asks: c, instances: true,
		// One of the watched processes has nearly as many files open as it may.
		// Remedy: see what it leaks, restart it, or raise its limit (LimitNOFILE of its unit).
		brings:   healthyType("ProcessFileDescriptorPressure", "ProcessFileDescriptorsAvailable", "the watched processes can open files"),
		validate: func() error { return validateNames(c.Names) },
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return c.measure(ctx, s) }
		},
	}
}

func validateNames(names []string) error {
	var errs []error
	for i, name := range names {
		if _, err := path.Match(name, ""); err != nil || name == "" {
			errs = append(errs, pipeline.At(fmt.Sprintf("names[%d]", i), fmt.Errorf("%q is no name or pattern: write for example kubelet or java*", name)))
		}
	}
	if len(names) == 0 {
		errs = append(errs, pipeline.At("names", errors.New("is empty: write for example [kubelet], or ['*'] for all processes")))
	}
	return errors.Join(errs...)
}

func (c *ProcessFileDescriptorsConfig) watches(p *process) bool {
	if p.kernel() || p.state == 'Z' {
		return false
	}
	for _, name := range c.Names {
		if matches, err := path.Match(name, p.name); err == nil && matches {
			return true
		}
	}
	return false
}

func (c *ProcessFileDescriptorsConfig) measure(ctx context.Context, s *system) (measured, error) {
	list, err := s.processes(ctx)
	if err != nil {
		return measured{}, err
	}
	m := measured{complete: true}
	for i := range list {
		if !c.watches(&list[i]) {
			continue
		}
		if ctx.Err() != nil {
			return measured{}, ctx.Err()
		}
		f, ok, err := s.filesOf(&list[i])
		switch {
		case err != nil:
			return measured{}, err
		case ok && f.value >= c.lowest():
			m.figures = append(m.figures, f)
		}
	}
	// Those that are left out are well, as those that have ended: complete says so.
	if len(m.figures) > maxProcesses {
		slices.SortFunc(m.figures, func(x, y figure) int { return cmp.Compare(y.value, x.value) })
		m.figures, m.complete = m.figures[:maxProcesses], false
	}
	return m, nil
}

// maxProcesses is how many processes are told of at once.
const maxProcesses = 100

// lowest is the figure below which a process is well by all limits.
func (c *ProcessFileDescriptorsConfig) lowest() float64 {
	lowest := percent.most
	for _, limit := range []*Limit{&c.Warn, &c.Fail} {
		if limit.set() {
			lowest = min(lowest, limit.leave())
		}
	}
	return lowest
}

// filesOf holds the files that a process has open against its limit; not ok: it has
// ended meanwhile, or has no limit.
func (s *system) filesOf(p *process) (f figure, ok bool, err error) {
	dir := s.proc(strconv.Itoa(p.pid))
	used, err := openFiles(dir)
	if err != nil {
		return figure{}, false, ifAlive(err)
	}
	text, err := readFile(dir + "/limits")
	if err != nil {
		return figure{}, false, ifAlive(err)
	}
	most, err := softLimit(text, "Max open files")
	if err != nil || most == 0 {
		return figure{}, false, err
	}
	f = shareOf(p.String(), used, most, "open files")
	f.text = p.String() + " has " + f.text + " that its limit allows"
	return f, true, nil
}

var errLimits = errors.New("it is not in the form of a limits file")

// softLimit reads a limit out of /proc/PID/limits: its name, soft limit, hard limit and
// unit, in columns (proc_pid_limits(5)); 0: unlimited.
func softLimit(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+" ")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			return 0, errLimits
		}
		if fields[0] == "unlimited" {
			return 0, nil
		}
		limit, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			return 0, errLimits
		}
		return limit, nil
	}
	return 0, errLimits
}
