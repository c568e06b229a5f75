package pipeline

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Host says where the watched host's file systems are, so that a container can
// watch the node it runs on and tests can watch a recorded one.
type Host struct {
	// Root is where the agent sees the host's root directory; in a container the mount,
	// for example /host.
	Root string `yaml:"root"`
	// Proc is where it sees the host's /proc.
	Proc string `yaml:"proc"`
	// Sys is where it sees the host's /sys; the pstore receiver reads fs/pstore there.
	Sys string `yaml:"sys"`
	// Run is where it sees the host's /run; the kubernetes exporter keeps
	// otelnpd/reported-boot there.
	Run string `yaml:"run"`
}

// DefaultHost is the host as the agent itself sees it.
func DefaultHost() Host {
	return Host{Root: "/", Proc: "/proc", Sys: "/sys", Run: "/run"}
}

// Path returns a path of the host below Root.
func (h Host) Path(path string) string { return filepath.Join(h.Root, path) }

// Instant is a time on the two clocks that matter.
type Instant struct {
	// Wall is for people and for lastTransitionTime.
	Wall time.Time `json:"wall,omitzero"`
	// Boot is the time since boot, suspends included (CLOCK_BOOTTIME): order and
	// durations are on it.
	Boot time.Duration `json:"boot,omitempty"`
	// Raw is the time since boot that the hardware counted: no suspends, no
	// slewing (CLOCK_MONOTONIC_RAW). The kernel stamps its log by it.
	Raw time.Duration `json:"raw,omitempty"`
}

// Clock tells the time. Tests hold it in their hands.
type Clock interface {
	Now() Instant
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now reads all three clocks.
func (SystemClock) Now() Instant {
	var boot, raw unix.Timespec
	// Both exist since Linux 2.6.39 and do not fail.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &raw)
	return Instant{Wall: time.Now(), Boot: time.Duration(boot.Nano()), Raw: time.Duration(raw.Nano())}
}

// Boot is one boot of the node.
type Boot struct {
	// ID is the boot id, a UUID that the kernel makes at each boot.
	ID string `json:"id"`
	// Start is when the node booted, by the wall clock.
	Start time.Time `json:"start"`
}

// ReadBoot reads the boot id below the host's /proc and takes the start from
// the clock.
func ReadBoot(host Host, clock Clock) (Boot, error) {
	path := filepath.Join(host.Proc, "sys/kernel/random/boot_id")
	text, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return Boot{}, fmt.Errorf("read the boot id: %w", err)
	}
	id := string(bytes.TrimSpace(text))
	if id == "" {
		return Boot{}, fmt.Errorf("read the boot id: %s is empty", path)
	}
	now := clock.Now()
	return Boot{ID: id, Start: now.Wall.Add(-now.Boot)}, nil
}
