// Package hostview tells whether the agent sees its node, or only a container: whether
// the /proc, /sys and root directory that it was given are those of the node.
package hostview

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Blind is the error of what the agent cannot see from where it runs. A figure that may
// be another's (a namespace's, a container's) is worse than none.
type Blind struct {
	Reason string
	// Remedy says what to do about it.
	Remedy string
}

// NewBlind returns the error.
func NewBlind(reason, remedy string) *Blind { return &Blind{Reason: reason, Remedy: remedy} }

func (e *Blind) Error() string { return e.Reason }

// View is where the agent sees the node's root directory, /proc and /sys.
type View struct{ Root, Proc, Sys string }

// ProcPath and SysPath return paths below the node's /proc and /sys.
func (v View) ProcPath(path string) string { return filepath.Join(v.Proc, path) }

// SysPath is like ProcPath.
func (v View) SysPath(path string) string { return filepath.Join(v.Sys, path) }

// kthreadd is the process id of the kernel's thread that begins all others, and
// kernelThread the flag in its stat that no process can give itself (PF_KTHREAD in
// include/linux/sched.h). Both are seen from the host's own PID namespace alone.
const (
	kthreadd     = "2"
	kernelThread = 0x00200000
)

// SeesProcesses returns nil if View.Proc shows all processes of the host.
func (v View) SeesProcesses() error {
	text, err := readFile(v.ProcPath(kthreadd + "/stat"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("learn the PID namespace of %s: %w", v.Proc, err)
	}
	if isKernelThread(text) {
		return nil
	}
	return NewBlind(v.Proc+" does not show the processes of the host",
		"run the agent in the host's PID namespace (hostPID: true), or mount the host's /proc and set service.host.proc; "+
			"where /proc is mounted with hidepid, run it as root")
}

// isKernelThread reads the text of a stat file (proc_pid_stat(5)): its flags are the
// seventh field behind the name, which may hold anything.
func isKernelThread(stat string) bool {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return err == nil && flags&kernelThread != 0
}

// SeesSys returns nil if there is a sysfs at View.Sys.
func (v View) SeesSys() error {
	if exists(v.SysPath("class")) {
		return nil
	}
	return NewBlind("there is no sysfs at "+v.Sys, "mount the host's /sys and set service.host.sys")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// maxFile bounds what is read of one file.
const maxFile = 1 << 20

// readFile reads a small file.
func readFile(path string) (string, error) {
	file, err := OpenRegular(path)
	if err != nil {
		return "", err
	}
	return readAll(file)
}

// OpenRegular opens a file, and never waits for that: what stands in its place may be a
// FIFO, which waits for its other end.
func OpenRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) //nolint:gosec // a path below the host's own directories
	if err != nil {
		return nil, err
	}
	if err := isRegular(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func isRegular(file *os.File) error {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: file.Name(), Err: errors.New("it is no regular file")}
	}
	return err
}

// readAll reads a small file, and closes it.
func readAll(file *os.File) (string, error) {
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read %s: %w", file.Name(), err)
	case len(text) > maxFile:
		return "", fmt.Errorf("read %s: it has more than %d bytes", file.Name(), maxFile)
	}
	return string(text), nil
}
