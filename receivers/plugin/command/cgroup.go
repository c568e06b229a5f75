package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup holds the processes of one run to its limits (cgroups(7)). With cgroup v2 it
// is one folder; where controllers still sit in v1 hierarchies, one folder in each. nil
// is no cgroup.
type cgroup struct {
	unified string   // the folder in the v2 hierarchy; empty: none
	dir     *os.File // that folder, open
	legacy  []string // folders in v1 hierarchies
	oom     string   // the file that counts kills for want of memory; empty: none
}

// cgroupPrefix begins the names of cgroups; behind it stand the agent's number and one
// of the run.
const cgroupPrefix = "otelnpd-plugin-"

// cgroupSerial makes the names of cgroups unique in this process.
var cgroupSerial atomic.Int64

// newCgroup makes a cgroup beside this process' own, or tells why there can be none
// that has all limits.
func (l *cgroupLayout) newCgroup(limits Limits) (*cgroup, error) {
	g := &cgroup{}
	name := fmt.Sprintf("%s%d-%d", cgroupPrefix, os.Getpid(), cgroupSerial.Add(1))
	for _, s := range settingsOf(limits) {
		if err := l.set(g, name, s); err != nil {
			return nil, errors.Join(fmt.Errorf("limit %s by cgroups: %w", s.what, err), g.remove())
		}
	}
	if g.unified == "" {
		return g, nil
	}
	dir, err := os.Open(g.unified)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the cgroup: %w", err), g.remove())
	}
	g.dir = dir
	return g, nil
}

// set makes the folder of a limit's controller and writes the limit.
func (l *cgroupLayout) set(g *cgroup, name string, s setting) error {
	if parent, ok := l.legacy[s.controller]; ok {
		folder := filepath.Join(parent, name)
		if err := makeFolder(folder); err != nil {
			return err
		}
		g.legacy = append(g.legacy, folder)
		if s.controller == memoryController {
			g.oom = filepath.Join(folder, "memory.oom_control")
		}
		return writeAll(folder, s.legacy)
	}
	if l.unified == "" {
		return fmt.Errorf("no controller %s is mounted: mount cgroups at /sys/fs/cgroup, writable", s.controller)
	}
	if err := l.enable(s.controller); err != nil {
		return err
	}
	g.unified = filepath.Join(l.unified, name)
	if err := makeFolder(g.unified); err != nil {
		return err
	}
	if s.controller == memoryController {
		g.oom = filepath.Join(g.unified, "memory.events")
	}
	return writeAll(g.unified, s.unified)
}

func makeFolder(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // the mode of cgroups
		return err
	}
	return nil
}

func writeAll(folder string, values []value) error {
	for _, one := range values {
		err := writeFile(filepath.Join(folder, one.file), one.text)
		if err != nil && !one.optional {
			return err
		}
	}
	return nil
}

// writeFile writes to a file that the kernel has made.
func writeFile(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // below a cgroup of this process
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// start starts a process that is in the cgroup from its first instruction on.
func (g *cgroup) start(c *Command, files [3]*os.File) (*process, error) {
	if g == nil {
		return start(c, files, nil)
	}
	if len(g.legacy) == 0 {
		return start(c, files, g.dir)
	}
	return g.startInside(c, files)
}

// startInside starts a process from a thread that has gone into the v1 cgroups: who is
// forked inherits them. The thread comes back, or ends.
func (g *cgroup) startInside(c *Command, files [3]*os.File) (p *process, err error) {
	onOtherThread(func() {
		thread := strconv.Itoa(unix.Gettid())
		for _, folder := range g.legacy {
			if err = writeFile(filepath.Join(folder, "tasks"), thread); err != nil {
				break
			}
		}
		if err == nil {
			p, err = start(c, files, g.dir)
		}
		for _, folder := range g.legacy {
			if writeFile(filepath.Join(filepath.Dir(folder), "tasks"), thread) != nil {
				return // locked still: the thread ends with the goroutine
			}
		}
		runtime.UnlockOSThread()
	})
	return p, err
}

// onOtherThread runs f, locked to a thread that is not the first one of this process: that
// one stands for the process, so that all its memory would count in the cgroup that the
// thread is in, and the kernel could kill it for what the command takes.
func onOtherThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			f()
			return
		}
		onOtherThread(f) // this goroutine has the first thread meanwhile
		runtime.UnlockOSThread()
	}()
	<-done
}

// kill kills all processes in the cgroup, those included that got out of their group.
func (g *cgroup) kill() {
	if g == nil {
		return
	}
	if g.unified != "" && writeFile(filepath.Join(g.unified, "cgroup.kill"), "1") == nil { // Linux 5.14
		return
	}
	const rounds = 20 // while they fork
	for range rounds {
		if !g.killListed() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (g *cgroup) killListed() (any bool) {
	for _, folder := range g.folders() {
		text, _ := os.ReadFile(filepath.Join(folder, "cgroup.procs")) //nolint:gosec // below a cgroup of this process; none is left where it is gone
		for _, pid := range numbers(strings.Fields(string(text))) {
			if pid > 0 && pid != os.Getpid() { // 0 is one that is not seen from here, and to kill it the agent's own group
				any = true
				_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
			}
		}
	}
	return any
}

// folders lists the cgroup's folders and those that a command has made below them, the
// deepest first.
func (g *cgroup) folders() (list []string) {
	for _, top := range append([]string{g.unified}, g.legacy...) {
		if top == "" {
			continue
		}
		_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error { // what cannot be read is gone
			if err == nil && entry.IsDir() {
				list = append(list, path)
			}
			return nil
		})
	}
	slices.Reverse(list)
	return list
}

// outOfMemory tells whether the kernel has killed something at the memory limit.
func (g *cgroup) outOfMemory() bool {
	if g == nil || g.oom == "" {
		return false
	}
	text, _ := os.ReadFile(g.oom) // without it nothing is known
	for line := range strings.Lines(string(text)) {
		name, count, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "oom_kill" && count != "0" {
			return true
		}
	}
	return false
}

// remove removes the folders. An error says that there are processes in it still.
func (g *cgroup) remove() error {
	if g == nil {
		return nil
	}
	if g.dir != nil {
		_ = g.dir.Close() // nothing was written; closed twice it is an error
	}
	var errs []error
	for _, folder := range g.folders() {
		if err := unix.Rmdir(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove %s: %w", folder, err))
		}
	}
	return errors.Join(errs...)
}
