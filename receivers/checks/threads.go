package checks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ThreadsConfig is how many threads there are, in per cent of what the kernel
// (pid_max, threads-max) and cgroups (pids.max) allow. Where one of them is used up
// no process can begin. Each limit is an instance.
type ThreadsConfig struct {
	Base `yaml:",inline"`
	// Cgroups are those whose pids.max is looked at, by their paths in the hierarchy; those
	// that do not exist are left out.
	Cgroups []string `yaml:"cgroups"`
}

func defaultThreads() ThreadsConfig {
	return ThreadsConfig{
		Base: Base{
			Enabled: true, Condition: "ThreadPressure",
			Warn: Limit{Enter: 80, Leave: 75, Reason: "ThreadsHigh"},
			Fail: Limit{Enter: 90, Leave: 85, For: 30 * time.Second, Reason: "ThreadsExhausted"},
		},
		Cgroups: []string{"kubepods.slice", "kubepods", "kubelet.slice/kubelet-kubepods.slice", "kubelet/kubepods"},
	}
}

func (c *ThreadsConfig) entry() entry {
	return entry{
		name: "threads", class: "thread-exhaustion", unit: percent, base: &c.Base, asks: c, instances: true,
		// There are nearly as many threads, or process ids, as the kernel or the Pods' cgroup allows. Then nothing
		// can be started.
		// Remedy: end who has the most, which the message names; raise kernel.pid_max or the kubelet's
		// podPidsLimit.
		brings:   healthyType("ThreadPressure", "ThreadsAvailable", "there are threads and process ids left"),
		validate: func() error { return validateCgroups("cgroups", c.Cgroups) },
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return c.measure(ctx, s) }
		},
	}
}

func (c *ThreadsConfig) measure(ctx context.Context, s *system) (measured, error) {
	load, err := s.readLoad()
	if err != nil {
		return measured{}, err
	}
	top := func() string { return topThreads(ctx, s) }
	figures := []figure{
		s.threadsOf(load.threads, "pid_max", top),
		s.threadsOf(load.threads, "threads-max", top),
	}
	if err := s.sharesPIDs(); err != nil {
		figures[0] = figure{instance: "pid_max", err: err}
	}
	return measured{figures: append(figures, s.pidCgroups(c.Cgroups)...), complete: true}, nil
}

// threadsOf holds the threads that there are against a limit in /proc/sys/kernel.
func (s *system) threadsOf(threads uint64, limit string, top func() string) figure {
	most, err := readNumber(s.proc("sys/kernel/" + limit))
	if err != nil {
		return figure{instance: limit, err: err}
	}
	f := shareOf(limit, threads, most, "threads")
	f.text += " that " + limit + " allows"
	f.top = top
	return f
}

// load is what /proc/loadavg says (proc_loadavg(5)). None of it is of a namespace,
// but for the last field, which is not read.
type load struct {
	one, five, fifteen float64 // runnable and uninterruptible threads, averaged over minutes
	running, threads   uint64  // that run or could; that there are
}

func (s *system) readLoad() (load, error) {
	path := s.proc("loadavg")
	text, err := readFile(path)
	if err != nil {
		return load{}, err
	}
	l, err := parseLoad(text)
	if err != nil {
		return load{}, fmt.Errorf("read %s: %w", path, err)
	}
	return l, nil
}

var errLoad = errors.New("it is not in the form of a loadavg file")

func parseLoad(text string) (l load, err error) {
	fields := strings.Fields(text)
	if len(fields) < 4 {
		return load{}, errLoad
	}
	for i, average := range []*float64{&l.one, &l.five, &l.fifteen} {
		if *average, err = strconv.ParseFloat(fields[i], 64); err != nil || !(*average >= 0) {
			return load{}, errLoad
		}
	}
	running, threads, ok := strings.Cut(fields[3], "/")
	if !ok {
		return load{}, errLoad
	}
	l.running, err = strconv.ParseUint(running, 10, 64)
	if err != nil {
		return load{}, errLoad
	}
	if l.threads, err = strconv.ParseUint(threads, 10, 64); err != nil {
		return load{}, errLoad
	}
	return l, nil
}
