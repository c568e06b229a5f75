package checks

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What follows is asked only where a limit is reached. Who cannot be seen is left
// out: a message without names is better than none.

// ranking asks for something of every process, and names those with the most.
func (s *system) ranking(ctx context.Context, of func(*process) uint64) string {
	list, err := s.processes(ctx)
	if err != nil {
		return ""
	}
	var all []ranked
	for i := range list {
		if ctx.Err() != nil {
			return ""
		}
		if n := of(&list[i]); n > 0 {
			all = append(all, ranked{list[i].String(), n})
		}
	}
	return topText(all)
}

func topThreads(ctx context.Context, s *system) string {
	return s.ranking(ctx, func(p *process) uint64 { return p.threads })
}

func topFiles(ctx context.Context, s *system) string {
	return s.ranking(ctx, func(p *process) uint64 {
		if p.kernel() {
			return 0
		}
		n, _ := openFiles(s.proc(strconv.Itoa(p.pid))) // 0: it cannot be seen
		return n
	})
}

// openFiles counts the file descriptors of a process. Their number is the size of
// the directory since Linux 6.2 (proc_fd_getattr), for which no right is needed;
// before it is 0, and they must be listed.
func openFiles(dir string) (uint64, error) {
	path := filepath.Join(dir, "fd")
	var fs unix.Statfs_t
	info, err := os.Stat(path)
	if err == nil && info.Size() > 0 && unix.Statfs(path, &fs) == nil && fs.Type == unix.PROC_SUPER_MAGIC {
		return uint64(info.Size()), nil //nolint:gosec // it is positive
	}
	file, err := os.Open(path) //nolint:gosec // below the host's own /proc
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	names, err := file.Readdirnames(-1)
	return uint64(len(names)), err
}

// topMemory names processes by MiB of resident memory.
func topMemory(ctx context.Context, s *system) string {
	top := s.ranking(ctx, func(p *process) uint64 {
		if p.kernel() {
			return 0
		}
		text, err := readFile(s.proc(strconv.Itoa(p.pid) + "/statm"))
		if err != nil {
			return 0
		}
		return resident(text) * uint64(os.Getpagesize()) >> 20 //nolint:gosec // a page has a positive size
	})
	if top == "" {
		return ""
	}
	return "MiB of " + top
}

// resident reads the resident pages out of /proc/PID/statm (proc_pid_statm(5)).
func resident(text string) uint64 {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil || pages > 1<<40 {
		return 0
	}
	return pages
}
