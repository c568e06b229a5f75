package checks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LoadConfig is how many threads have run, wanted to run, or slept
// uninterruptibly in the last five minutes on average, for each CPU. A busy node has a high
// load and is well: so it is off.
type LoadConfig struct {
	Base `yaml:",inline"`
}

func defaultLoad() LoadConfig {
	return LoadConfig{Base: Base{
		Condition: "HighLoad",
		Warn:      Limit{Enter: 4, Leave: 3, For: 10 * time.Minute, Reason: "LoadHigh"},
		Fail:      Limit{Enter: 16, Leave: 8, For: 10 * time.Minute, Reason: "LoadTooHigh"},
	}}
}

func (c *LoadConfig) entry() entry {
	return entry{
		name: "load", class: "high-load", unit: count, base: &c.Base, asks: c,
		// More threads want to run, or wait for disks, than the node has CPUs for.
		// Remedy: see who (`top`); limit or move it.
		brings: healthyType("HighLoad", "LoadIsNormal", "the load is not too high"),
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return measureLoad(s) }
		},
	}
}

func measureLoad(s *system) (measured, error) {
	l, err := s.readLoad()
	if err != nil {
		return measured{}, err
	}
	path := s.sys("devices/system/cpu/online")
	text, err := readFile(path)
	if err != nil {
		return measured{}, err
	}
	cpus, err := parseCPUs(text)
	if err != nil {
		return measured{}, fmt.Errorf("read %s: %w", path, err)
	}
	value := l.five / float64(cpus)
	return measured{figures: []figure{{
		value: value,
		text:  fmt.Sprintf("load of %s for each of %d CPUs over five minutes (%s in all; over one minute %s)", decimal(value), cpus, decimal(l.five), decimal(l.one)),
	}}}, nil
}

var errCPUs = errors.New("it is no list of CPUs")

// parseCPUs counts a list like 0-3,8 (Documentation/admin-guide/cputopology.rst).
func parseCPUs(text string) (n int, err error) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.ParseUint(first, 10, 16)
		to, errTo := strconv.ParseUint(last, 10, 16)
		if errFrom != nil || errTo != nil || to < from {
			return 0, errCPUs
		}
		n += int(to - from + 1)
		if n > 1<<20 {
			return 0, errCPUs
		}
	}
	return n, nil
}
