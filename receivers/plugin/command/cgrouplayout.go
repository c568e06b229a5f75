package command

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The controllers that limits need.
const (
	memoryController = "memory"
	cpuController    = "cpu"
	pidsController   = "pids"
)

// value is what to write to a file of a cgroup.
type value struct {
	file, text string
	optional   bool // not every kernel has the file
}

// setting is a limit and how it is written.
type setting struct {
	controller, what string
	unified, legacy  []value
}

// settingsOf tells how limits are written: Documentation/admin-guide/cgroup-v2.rst and
// cgroup-v1/ of the kernel.
func settingsOf(l Limits) (list []setting) {
	if l.Memory > 0 {
		bytes := strconv.FormatInt(l.Memory, 10)
		list = append(list, setting{
			controller: memoryController, what: "memory",
			unified: []value{{file: "memory.max", text: bytes}, {file: "memory.swap.max", text: "0", optional: true}},
			legacy: []value{
				{file: "memory.limit_in_bytes", text: bytes},
				{file: "memory.memsw.limit_in_bytes", text: bytes, optional: true},
			},
		})
	}
	if l.CPUs > 0 {
		const period = 100_000 // µs
		quota := strconv.Itoa(max(1000, int(math.Round(l.CPUs*period))))
		list = append(list, setting{
			controller: cpuController, what: "cpu",
			unified: []value{{file: "cpu.max", text: quota + " " + strconv.Itoa(period)}},
			legacy:  []value{{file: "cpu.cfs_period_us", text: strconv.Itoa(period)}, {file: "cpu.cfs_quota_us", text: quota}},
		})
	}
	if l.PIDs > 0 {
		pids := []value{{file: "pids.max", text: strconv.Itoa(l.PIDs)}}
		list = append(list, setting{controller: pidsController, what: "pids", unified: pids, legacy: pids})
	}
	return list
}

// cgroupLayout says where this process may make cgroups.
type cgroupLayout struct {
	unified string            // its folder in the v2 hierarchy; empty: there is none
	legacy  map[string]string // by controller: its folder in a v1 hierarchy
}

// readCgroupLayout finds the cgroups of this process where they are mounted.
func readCgroupLayout(proc string) *cgroupLayout {
	l := &cgroupLayout{legacy: map[string]string{}}
	own, unified := ownCgroups(filepath.Join(proc, "self/cgroup"))
	file, err := os.Open(filepath.Join(proc, "self/mountinfo")) //nolint:gosec // below /proc
	if err != nil {
		return l
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		m, ok := parseMount(lines.Text())
		switch {
		case !ok:
		case m.kind == "cgroup2" && l.unified == "":
			l.unified = delegated(m.below(unified))
		case m.kind == "cgroup":
			for _, controller := range []string{memoryController, cpuController, pidsController} {
				if slices.Contains(m.options, controller) {
					l.legacy[controller] = m.below(own[controller])
				}
			}
		}
	}
	return l
}

// removeStale removes what an agent that was killed has left: cgroups of a process that is
// no more, without processes.
func (l *cgroupLayout) removeStale(proc string) {
	for _, parent := range append(slices.Collect(maps.Values(l.legacy)), l.unified) {
		if parent == "" {
			continue
		}
		folders, _ := filepath.Glob(filepath.Join(parent, cgroupPrefix+"*")) // what cannot be read is left
		for _, folder := range folders {
			pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), cgroupPrefix), "-")
			if _, err := os.Stat(filepath.Join(proc, pid)); errors.Is(err, fs.ErrNotExist) {
				_ = unix.Rmdir(folder) // where processes are in it, that is refused
			}
		}
	}
}

// ownCgroups reads /proc/self/cgroup: HIERARCHY:CONTROLLERS:PATH (cgroups(7)).
func ownCgroups(path string) (legacy map[string]string, unified string) {
	text, _ := os.ReadFile(path) //nolint:gosec // below /proc
	legacy = map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		if fields[0] == "0" {
			unified = fields[2]
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			legacy[controller] = fields[2]
		}
	}
	return legacy, unified
}

// mount is a line of /proc/self/mountinfo.
type mount struct {
	root, point, kind string
	options           []string
}

// parseMount reads a line (proc_pid_mountinfo(5)); mount points of cgroups have no
// escapes in them.
func parseMount(line string) (mount, bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 5 || len(right) < 3 {
		return mount{}, false
	}
	return mount{root: left[3], point: left[4], kind: right[0], options: strings.Split(right[2], ",")}, true
}

// below is where a cgroup is seen through the mount. In a container the mount may
// begin at the container's own.
func (m mount) below(cgroup string) string {
	if m.root != "/" {
		if rest, ok := strings.CutPrefix(cgroup, m.root); ok {
			cgroup = rest
		}
	}
	return filepath.Join(m.point, cgroup)
}

// delegated returns the cgroup below which this one may make others: its parent where
// a service manager has put the process into one below what it has delegated
// (DelegateSubgroup=, systemd.resource-control(5)), and marked that.
func delegated(own string) string {
	parent := filepath.Dir(own)
	for _, mark := range []string{"user.delegate", "trusted.delegate"} {
		var text [1]byte
		if n, err := unix.Getxattr(parent, mark, text[:]); err == nil && n == 1 && text[0] == '1' {
			return parent
		}
	}
	return own
}

// enable lets cgroups below this process' own have a controller of v2.
func (l *cgroupLayout) enable(controller string) error {
	has := func(file string) bool {
		text, _ := os.ReadFile(filepath.Join(l.unified, file)) //nolint:gosec // below a cgroup of this process
		return slices.Contains(strings.Fields(string(text)), controller)
	}
	if has("cgroup.subtree_control") {
		return nil
	}
	if !has("cgroup.controllers") {
		return fmt.Errorf("%s has no controller %s: delegate it, for example by Delegate=yes in the unit", l.unified, controller)
	}
	if err := writeFile(filepath.Join(l.unified, "cgroup.subtree_control"), "+"+controller); err != nil {
		return fmt.Errorf("%w: a cgroup with processes cannot have limited ones below it; let the service manager put otelnpd into one below its own, for example by Delegate=yes and DelegateSubgroup=agent in the unit", err)
	}
	return nil
}
