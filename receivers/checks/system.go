package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// system is the host as checks see it. It may be used by several goroutines.
type system struct {
	host     pipeline.Host
	clock    pipeline.Clock
	table    *processTable
	counters *counters
	kernel   kernelCalls
	disks    *mounts.Asker
	mounts   *mounts.Host
	boot     string
}

func newSystem(settings pipeline.Settings) *system {
	s := &system{
		host: settings.Host, clock: settings.Clock, boot: settings.Boot.ID,
		counters: newCounters(settings), kernel: hostKernel(),
		table: &processTable{proc: settings.Host.Proc, clock: settings.Clock},
	}
	s.mounts = mounts.NewHost(s.view())
	s.disks = mounts.NewAsker(settings.Clock, scanAge, func(of *mounts.FileSystem) (mounts.Usage, error) { return s.kernel.statfs(s.host.Root, of) })
	return s
}

// view is where the host is seen.
func (s *system) view() hostview.View {
	return hostview.View{Root: s.host.Root, Proc: s.host.Proc, Sys: s.host.Sys}
}

// proc and sys return paths below the host's /proc and /sys.
func (s *system) proc(path string) string { return filepath.Join(s.host.Proc, path) }
func (s *system) sys(path string) string  { return filepath.Join(s.host.Sys, path) }

// maxFile bounds what is read of one file of the kernel.
const maxFile = 1 << 20

// readFile reads a small file of the kernel.
func readFile(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // a path below the host's own directories
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read %s: %w", path, err)
	case len(text) > maxFile:
		return "", fmt.Errorf("read %s: it has more than %d bytes", path, maxFile)
	}
	return string(text), nil
}

// readNumber reads a file that holds one number.
func readNumber(path string) (uint64, error) {
	text, err := readFile(path)
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %.40q is no number", path, text)
	}
	return number, nil
}

// remedyOf says what to do about an error.
func remedyOf(err error) string {
	var blind *hostview.Blind
	switch {
	case errors.As(err, &blind):
		return blind.Remedy
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("run as root (this is uid %d), or turn the check off", os.Geteuid())
	case errors.Is(err, fs.ErrNotExist):
		return "let service.host point to where the host's /proc and /sys are mounted; where the kernel has no such file, turn the check off"
	}
	return "look at the error, or turn the check off; it is tried again at every look"
}

// kernelThread is the flag of a thread of the kernel in a stat file (PF_KTHREAD in
// include/linux/sched.h).
const kernelThread = 0x00200000

// processes returns all processes of the host. Checks that look at one moment share
// one scan.
func (s *system) processes(ctx context.Context) ([]process, error) {
	if err := s.view().SeesProcesses(); err != nil {
		return nil, err
	}
	return s.table.processes(ctx)
}

// sharesPIDs returns nil if the agent itself is in the host's PID namespace. Since
// Linux 6.14 it sees another namespace's pid_max else, whatever /proc is mounted.
func (s *system) sharesPIDs() error {
	if err := s.view().SeesProcesses(); err != nil {
		return err
	}
	text, err := readFile(s.proc("self/status"))
	if err != nil {
		return fmt.Errorf("learn the agent's PID namespace: %w", err)
	}
	// NSpid has a number for each namespace from that of /proc inwards (proc_pid_status(5)).
	for line := range strings.Lines(text) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok && len(strings.Fields(ids)) != 1 {
			return hostview.NewBlind(
				"the agent runs in a PID namespace of its own, where the host's limit of process ids is not seen",
				"run the agent in the host's PID namespace (hostPID: true)",
			)
		}
	}
	return nil
}
