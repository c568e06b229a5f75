package checks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MemoryConfig is how much of the memory is not available to new work without
// swapping (all but MemAvailable), in per cent. A node that is made full use of, or
// that has given its memory to huge pages, is well with little left: so it is off.
type MemoryConfig struct {
	Base `yaml:",inline"`
}

func defaultMemory() MemoryConfig {
	return MemoryConfig{Base: Base{
		Condition: "MemoryShortage",
		Warn:      Limit{Enter: 95, Leave: 92, For: 5 * time.Minute, Reason: "MemoryLow"},
		Fail:      Limit{Enter: 98, Leave: 95, For: 5 * time.Minute, Reason: "MemoryUsedUp"},
	}}
}

func (c *MemoryConfig) entry() entry {
	return entry{
		name: "memory", class: "memory-shortage", unit: percent, base: &c.Base, asks: c,
		// There is nearly no memory that could be given to somebody.
		// Remedy: see who has it; set limits, move work away, before the kernel kills processes.
		brings: healthyType("MemoryShortage", "MemoryAvailable", "there is memory available"),
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return measureMemory(ctx, s) }
		},
	}
}

func measureMemory(ctx context.Context, s *system) (measured, error) {
	m, err := s.readMemory()
	if err != nil {
		return measured{}, err
	}
	f := shareOf("", m.total-m.available, m.total, "MiB of memory used")
	f.text = fmt.Sprintf("%s MiB of %s MiB of memory are available, %s %% are not",
		decimal(float64(m.available>>20)), decimal(float64(m.total>>20)), decimal(f.value))
	f.top = func() string { return topMemory(ctx, s) }
	return measured{figures: []figure{f}}, nil
}

// memory is the node's, in bytes. What is set aside for huge pages is part of the
// total, and never available.
type memory struct{ total, available, huge uint64 }

// share is what is available, in per cent of what is not set aside: a node may have
// given nearly all of its memory to huge pages.
func (m memory) share() float64 {
	return 100 * float64(m.available) / float64(max(m.total-m.huge, m.available, 1))
}

// readMemory reads /proc/meminfo, which knows no namespaces.
func (s *system) readMemory() (memory, error) {
	path := s.proc("meminfo")
	text, err := readFile(path)
	if err != nil {
		return memory{}, err
	}
	m, err := parseMemory(text)
	if err != nil {
		return memory{}, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

var errMemory = errors.New("the memory is 0")

func parseMemory(text string) (memory, error) {
	total, err := kib(text, "MemTotal")
	if err != nil {
		return memory{}, err
	}
	available, err := kib(text, "MemAvailable")
	switch {
	case err != nil:
		return memory{}, err
	case total == 0:
		return memory{}, errMemory
	}
	huge, err := kib(text, "Hugetlb")
	if err != nil {
		huge = 0 // before Linux 4.16, or a kernel without huge pages
	}
	return memory{total: total, available: min(available, total), huge: min(huge, total)}, nil
}

// kib reads an amount of memory in the form of /proc/meminfo, in bytes: a name, a
// colon, a number and kB a line (proc_meminfo(5)).
func kib(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		number, isKiB := strings.CutSuffix(strings.TrimSpace(value), " kB")
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 53)
		if err != nil || !isKiB {
			return 0, fmt.Errorf("%.80q is no amount of memory", line)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("%s is missing", name)
}
