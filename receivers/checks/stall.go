package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// MemoryStallConfig is for which part of the last minute all work stood still, since
// it waited for memory, in per cent (the kernel's pressure stall information). It is a
// problem only while the node is short of memory too: a container that stalls at a
// limit of its own says nothing of the node.
type MemoryStallConfig struct {
	Base `yaml:",inline"`
	// AvailableBelow is the part of the memory without huge pages, in per cent, of which
	// less must be available for a stall to be the node's; more than 100: whatever is
	// available.
	AvailableBelow float64 `yaml:"available_below"`
}

// CPUStallConfig is for which part of the last minute some thread waited for a CPU, in
// per cent. A node that is made full use of does: so it is off.
type CPUStallConfig struct {
	Base `yaml:",inline"`
}

// IOStallConfig is for which part of the last minute all work stood still, since it
// waited for disks, in per cent. A node that copies data does: so it is off.
type IOStallConfig struct {
	Base `yaml:",inline"`
}

func defaultMemoryStall() MemoryStallConfig {
	return MemoryStallConfig{
		Base: Base{
			Enabled: true, Condition: "MemoryStall",
			Warn: Limit{Enter: 20, Leave: 10, For: time.Minute, Reason: "MemoryStalls"},
			Fail: Limit{Enter: 50, Leave: 20, For: 2 * time.Minute, Reason: "MemoryThrashing"},
		},
		AvailableBelow: 10,
	}
}

func defaultCPUStall() CPUStallConfig {
	return CPUStallConfig{Base: Base{
		Condition: "CPUStall",
		Warn:      Limit{Enter: 80, Leave: 60, For: 10 * time.Minute, Reason: "CPUStalls"},
		Fail:      Limit{Enter: 98, Leave: 80, For: 30 * time.Minute, Reason: "CPUStarved"},
	}}
}

func defaultIOStall() IOStallConfig {
	return IOStallConfig{Base: Base{
		Condition: "IOStall",
		Warn:      Limit{Enter: 60, Leave: 40, For: 10 * time.Minute, Reason: "IOStalls"},
		Fail:      Limit{Enter: 95, Leave: 60, For: 10 * time.Minute, Reason: "IOStuck"},
	}}
}

func (c *MemoryStallConfig) entry() entry {
	return entry{
		name: "memory_stall", class: "memory-stall", unit: percent, base: &c.Base, asks: c,
		// All work of the node stands still for a good part of the time, since pages must be found first: it
		// thrashes.
		// Remedy: end or move what takes the memory; set limits, so that the kernel kills in time.
		brings: healthyType("MemoryStall", "NoMemoryStall", "no work stands still for want of memory"),
		validate: func() error {
			if c.AvailableBelow <= 0 {
				return pipeline.At("available_below", fmt.Errorf("%s is out of range: write more than 0, for example 10", decimal(c.AvailableBelow)))
			}
			return nil
		},
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return c.measure(ctx, s) }
		},
	}
}

func (c *CPUStallConfig) entry() entry {
	return entry{
		name: "cpu_stall", class: "cpu-stall", unit: percent, base: &c.Base, asks: c,
		// Threads wait long for a CPU.
		// Remedy: see who takes it (`top`); set limits or move work away.
		brings:   healthyType("CPUStall", "NoCPUStall", "threads need not wait long for a CPU"),
		measures: measureStall("cpu", "some thread waited for a CPU"),
	}
}

func (c *IOStallConfig) entry() entry {
	return entry{
		name: "io_stall", class: "io-stall", unit: percent, base: &c.Base, asks: c,
		// All work stands still for a good part of the time, waiting for disks.
		// Remedy: see who reads and writes (`iotop`), and whether a disk is slow because it fails.
		brings:   healthyType("IOStall", "NoIOStall", "no work stands still for want of disks"),
		measures: measureStall("io", "all work waited for disks"),
	}
}

func (c *MemoryStallConfig) measure(ctx context.Context, s *system) (measured, error) {
	stalled, err := s.readStall("memory")
	if err != nil {
		return measured{}, err
	}
	m, err := s.readMemory()
	if err != nil {
		return measured{}, err
	}
	f := figure{
		value: stalled,
		text:  fmt.Sprintf("for %s %% of the last minute all work waited for memory, of which %s %% are available", decimal(stalled), decimal(m.share())),
		top:   func() string { return topMemory(ctx, s) },
	}
	if m.share() >= c.AvailableBelow {
		f.value = 0 // the stall is not the node's
	}
	return measured{figures: []figure{f}}, nil
}

// measureStall is the measure of a resource's pressure.
func measureStall(resource, what string) func(*system) measure {
	return func(s *system) measure {
		return func(context.Context) (measured, error) {
			stalled, err := s.readStall(resource)
			if err != nil {
				return measured{}, err
			}
			return measured{figures: []figure{{value: stalled, text: fmt.Sprintf("for %s %% of the last minute %s", decimal(stalled), what)}}}, nil
		}
	}
}

// readStall reads /proc/pressure, which knows no namespaces: the share of the last
// minute, in per cent. Of CPUs it is that in which some thread waited, of all else
// that in which none could run.
func (s *system) readStall(resource string) (float64, error) {
	path := s.proc("pressure/" + resource)
	text, err := readFile(path)
	switch {
	// There is no such file without CONFIG_PSI, and it cannot be opened with psi=0.
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EOPNOTSUPP):
		return 0, hostview.NewBlind("the kernel does not measure "+resource+" stalls: "+path+" cannot be read", "boot the kernel with psi=1, or turn the check off")
	case err != nil:
		return 0, err
	}
	share := "full"
	if resource == "cpu" {
		share = "some"
	}
	stalled, err := parseStall(text, share)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return stalled, nil
}

var errStall = errors.New("it is not in the form of a pressure file")

// parseStall reads a line like "full avg10=0.00 avg60=0.19 avg300=0.18 total=2551674" for
// its share of the last minute (Documentation/accounting/psi.rst).
func parseStall(text, share string) (float64, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != share {
			continue
		}
		value, ok := strings.CutPrefix(fields[2], "avg60=")
		stalled, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil || !(stalled >= 0 && stalled <= 100) {
			return 0, errStall
		}
		return stalled, nil
	}
	return 0, errStall
}
