package checks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
)

// again runs this program as a helper, in namespaces of its own, and returns what it
// prints.
func again(t *testing.T, helper string, attributes *syscall.SysProcAttr) string {
	t.Helper()
	needsRoot(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+helper, "OTELNPD_TEST_DIR="+t.TempDir())
	cmd.SysProcAttr = attributes
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, string(text))
	return string(text)
}

// reportHere prints what all checks say here.
func reportHere() error { return printReports(host()) }

func printReports(s *system) error {
	for _, one := range all().entries() {
		c := one.open(0, s)
		report := c.Run(context.Background())
		fmt.Println(strings.Join(told(report), "\n"))
		if report.Degraded != nil {
			fmt.Printf("%s is degraded: %s; %s\n", one.name, report.Degraded.Reason, report.Degraded.Remedy)
		}
	}
	return nil
}

func mount(source, target, kind, options string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(source, target, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s: %w", kind, err)
	}
	return nil
}

// In a PID namespace of its own the agent sees its own processes alone, and is told
// another limit of process ids.
func TestOwnPIDNamespace(t *testing.T) {
	got := again(t, "proc", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS})
	for _, check := range []string{"threads pid_max", "threads/warn pid_max", "zombies -", "blocked_processes -", "process_file_descriptors -"} {
		require.Contains(t, got, check+" unknown: /proc does not show the processes of the host")
	}
	require.Contains(t, got, "zombies is degraded: /proc does not show the processes of the host; run the agent in the host's PID namespace (hostPID: true)")
	require.Contains(t, got, "threads threads-max ok: ", "what knows no namespace is measured")
	require.Contains(t, got, "file_descriptors - ok: ")
}

// With the host's /proc mounted it sees all processes, but still not the limit.
func TestOwnPIDNamespaceWithTheHostsProc(t *testing.T) {
	got := again(t, "report", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID})
	require.Contains(t, got, "threads pid_max unknown: the agent runs in a PID namespace of its own")
	require.Contains(t, got, "zombies - ok: ")
}

func TestOwnUserNamespace(t *testing.T) {
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	got := again(t, "report", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: mapping, GidMappings: mapping})
	require.Contains(t, got, "inotify - unknown: the agent runs in a user namespace of its own")
	require.Contains(t, got, "hostUsers: true")
}

// A container with a cgroup namespace takes its own cgroup for the root.
func TestOwnCgroupNamespace(t *testing.T) {
	_, dir := cgroup(t, "pids")
	got := again(t, "cgroups", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setpgid: true})
	_ = dir
	require.Contains(t, got, "threads cgroups unknown: ")
	require.Contains(t, got, "shows a container's cgroup, not those of the host")
	require.Contains(t, got, "not seen: the host's cgroups are not seen below ")
}

func reportCgroups() error {
	dir := os.Getenv("OTELNPD_TEST_DIR")
	cgroups, err := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/pids/otelnpd-test-pids-%d", os.Getppid()))
	if err != nil || len(cgroups) != 1 {
		return fmt.Errorf("find the cgroup of the test: %v %w", cgroups, err)
	}
	if err := os.WriteFile(filepath.Join(cgroups[0], "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return err
	}
	s := newSystem(pipeline.Settings{Host: pipeline.Host{Proc: "/proc", Sys: dir}, Clock: pipeline.SystemClock{}})
	if _, err := s.pidsRoot(); err != nil {
		fmt.Println("not seen:", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("make a cgroup namespace: %w", err)
	}
	target := filepath.Join(dir, "fs/cgroup/pids")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := mount("cgroup", target, "cgroup", "pids"); err != nil {
		return err
	}
	return printReports(s)
}

// nobody is a user of one run of the tests alone, whose limits it may use up.
func nobody(testPID int) int { return 1<<20 + testPID }

func TestInotifyInstancesUsedUp(t *testing.T) {
	got := strings.ReplaceAll(again(t, "inotify instances", nil), fmt.Sprint("user ", nobody(os.Getpid()), " "), "user 54321 ")
	require.Contains(t, got, "before: inotify instances ok: not all inotify instances are used that user 54321 may have (fs.inotify.max_user_instances = ")
	require.Regexp(t, `after: inotify instances problem: all inotify instances are used that user 54321 may have \(fs.inotify.max_user_instances = [0-9,]+\), limit 100 %: checks.test\[\d+\] [0-9,]+\n`, got)
	require.Contains(t, got, "after: inotify watches ok: ")
	require.Contains(t, got, "own limit: inotify - unknown: make an inotify instance: too many open files")
	require.Contains(t, got, "freed: inotify instances ok: ")
	require.Regexp(t, `counted: inotify instances problem: [0-9,]+ inotify instances of [0-9,]+ \(99\.\d %\) are used that user 54321 may have`, got)
	require.Contains(t, got, "counted: inotify watches ok: 0 inotify watches of ")
}

func useUpInstances() error {
	user := nobody(os.Getppid())
	if err := unix.Setresuid(user, user, user); err != nil {
		return fmt.Errorf("become user %d: %w", user, err)
	}
	show("before")
	var taken []int
	for {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if errors.Is(err, unix.EMFILE) && canOpen() {
			break
		} else if err != nil {
			return err
		}
		taken = append(taken, fd)
	}
	show("after")
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return err
	}
	few := old
	few.Cur = uint64(len(taken)) // more are open already: not one can be added
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		return err
	}
	_, _, err := tryInotify()
	fmt.Println("own limit: inotify - unknown:", err)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return err
	}
	_ = unix.Close(taken[0])
	show("freed")
	showCounted("counted", true)
	return nil
}

func show(when string) { showCounted(when, false) }

func showCounted(when string, count bool) {
	config := all()
	config.Inotify.Count = count
	if count {
		config.Inotify.Fail.Enter = 90
	}
	one := config.Inotify.entry()
	c := one.open(0, host())
	for _, line := range told(c.Run(context.Background())) {
		fmt.Println(when + ": " + line)
	}
}

func TestInotifyWatchesUsedUp(t *testing.T) {
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	got := again(t, "inotify watches", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: mapping, GidMappings: mapping})
	require.Equal(t, "true true <nil>\ntrue false <nil>\n3 <nil>\n", got)
}

// useUpWatches runs in a user namespace, for which a limit of its own can be set.
func useUpWatches() error {
	if err := os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("3"), 0o644); err != nil {
		return err
	}
	fmt.Println(tryInotify())
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_DELETE_SELF); err != nil {
			return err
		}
	}
	fmt.Println(tryInotify())
	fmt.Println(countWatches("/proc/self"))
	return nil
}
