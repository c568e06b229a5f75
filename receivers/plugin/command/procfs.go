package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat (USER_HZ, 100 on all that Go builds for).
const tick = 10 * time.Millisecond

// stat is what /proc/PID/stat tells of a process (proc_pid_stat(5)).
type stat struct {
	state                  string
	parent, group, session int
	// started is when, in ticks on the boot clock.
	started int64
}

// startedBefore tells whether a process started before a time on the boot clock, by the
// tick.
func (s stat) startedBefore(at time.Duration) bool { return s.started < int64(at/tick) }

// readStat reads the stat of a process; ok is false where it is gone.
func readStat(proc string, pid int) (s stat, ok bool) {
	text, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat")) //nolint:gosec // below /proc
	if err != nil {
		return stat{}, false
	}
	return parseStat(text)
}

// parseStat reads the fields behind the name, which may hold anything.
func parseStat(text []byte) (s stat, ok bool) {
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const startTime = 22 - 3
	if len(fields) <= startTime {
		return stat{}, false
	}
	s.state = fields[0]
	var errs [4]error
	s.parent, errs[0] = strconv.Atoi(fields[1])
	s.group, errs[1] = strconv.Atoi(fields[2])
	s.session, errs[2] = strconv.Atoi(fields[3])
	s.started, errs[3] = strconv.ParseInt(fields[startTime], 10, 64)
	return s, errs == [4]error{}
}

func stateOf(proc string, pid int) string {
	s, _ := readStat(proc, pid)
	return s.state
}

// children lists the children of this process, whichever thread has them; some may
// be gone, or be no children any more.
func children(proc string) []int {
	lists, _ := filepath.Glob(filepath.Join(proc, "self/task/*/children")) // the pattern is good
	var pids []int
	read := false
	for _, list := range lists {
		text, err := os.ReadFile(list) //nolint:gosec // below /proc
		read = read || err == nil
		pids = append(pids, numbers(strings.Fields(string(text)))...)
	}
	if read {
		return pids
	}
	// Kernels without CONFIG_PROC_CHILDREN.
	return childrenOf(proc, os.Getpid())
}

func childrenOf(proc string, parent int) (pids []int) {
	dir, err := os.Open(proc) //nolint:gosec // the path is /proc
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1) // what was read counts
	for _, pid := range numbers(names) {
		if s, ok := readStat(proc, pid); ok && s.parent == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

func numbers(words []string) (list []int) {
	for _, word := range words {
		if n, err := strconv.Atoi(word); err == nil {
			list = append(list, n)
		}
	}
	return list
}
