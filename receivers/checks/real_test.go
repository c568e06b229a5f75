package checks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// host is this machine, as checks see it.
func host() *system {
	return newSystem(pipeline.Settings{Host: pipeline.DefaultHost(), Clock: pipeline.SystemClock{}})
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("needs root")
	}
}

// start runs a shell script until the test is over and returns its process id.
func start(t *testing.T, script string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// eventually looks until the report has the line. What is looked at are processes
// of this machine, which tell nobody when they have come so far.
func eventually(t *testing.T, s *system, config *Config, name, line string) {
	t.Helper()
	run := checkOn(t, config, s, name).Run
	var last []string
	ok := false
	for deadline := time.Now().Add(10 * time.Second); !ok && time.Now().Before(deadline); {
		s.table.scanned = 0
		last = told(run(t.Context()))
		for _, one := range last {
			ok = ok || strings.Contains(one, line)
		}
		if !ok {
			time.Sleep(10 * time.Millisecond)
		}
	}
	require.True(t, ok, "%q is not in\n%s", line, strings.Join(last, "\n"))
}

// This machine is well, whatever else it does while its tests run, and all that is
// on by default can be measured.
func TestThisMachineIsWell(t *testing.T) {
	s := host()
	for _, one := range DefaultConfig().entries() {
		if !one.base.Enabled {
			continue
		}
		c := one.open(time.Minute, s)
		report := c.Run(t.Context())
		require.True(t, report.Complete || len(report.Findings) > 0, one.name)
		for _, finding := range report.Findings {
			require.NotEqual(t, pipeline.StateProblem, finding.State, finding.Message)
			if s.sharesPIDs() == nil && s.sharesUsers() == nil {
				require.Equal(t, pipeline.StateOK, finding.State, "%s: %s", finding.Rule, finding.Message)
			}
		}
		t.Log(strings.Join(told(report), "\n"))
	}
}

// Checks that are off measure this machine too.
func TestAllChecksOnThisMachine(t *testing.T) {
	needsRoot(t)
	s := host()
	for _, one := range all().entries() {
		if !one.base.Enabled {
			continue
		}
		report := checkOn(t, all(), s, one.name).Run(t.Context())
		require.Nil(t, report.Degraded, one.name)
		for _, finding := range report.Findings {
			require.NotEqual(t, pipeline.StateUnknown, finding.State, "%s: %s", finding.Rule, finding.Message)
		}
	}
}

// cgroup makes a cgroup of version 1, which is removed with the processes in it.
func cgroup(t *testing.T, controller string) (name, dir string) {
	t.Helper()
	needsRoot(t)
	name = fmt.Sprintf("otelnpd-test-%s-%d", controller, os.Getpid())
	dir = filepath.Join("/sys/fs/cgroup", controller, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("needs cgroups of version 1: %v", err)
	}
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return unix.Rmdir(dir) == nil }, 10*time.Second, 10*time.Millisecond)
	})
	return name, dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestPIDLimitOfACgroup(t *testing.T) {
	name, dir := cgroup(t, "pids")
	config := all()
	config.Threads.Cgroups = []string{name, "otelnpd-does-not-exist"}
	instance := "/" + name
	s := host()

	eventually(t, s, config, "threads", "threads "+instance+" ok: 0 threads in the cgroup "+instance+", which has no limit")
	put(t, filepath.Join(dir, "pids.max"), "10")
	eventually(t, s, config, "threads", "threads "+instance+" ok: 0 threads of 10 (0 %)")
	for n := 1; n <= 9; n++ {
		put(t, filepath.Join(dir, "cgroup.procs"), strconv.Itoa(start(t, "exec sleep 600")))
	}
	eventually(t, s, config, "threads", "threads "+instance+" problem: 9 threads of 10 (90 %) that pids.max of the cgroup "+instance+" allows, limit 90 %")
}

func TestFileLimitOfAProcess(t *testing.T) {
	needsRoot(t)
	pid := start(t, "exec 3</ 4</ 5</; exec sleep 600")
	config := all()
	config.ProcessFileDescriptors.Names = []string{"slee?"}
	name := fmt.Sprintf("sleep[%d]", pid)
	s := host()
	require.Eventually(t, func() bool { // it sleeps, and has opened all that it opens
		text, err := readFile(fmt.Sprintf("/proc/%d/stat", pid))
		var p process
		return err == nil && p.parse(text) == nil && p.state == 'S' && p.name == "sleep"
	}, 10*time.Second, 10*time.Millisecond)
	used, err := openFiles(fmt.Sprintf("/proc/%d", pid))
	require.NoError(t, err)
	var old unix.Rlimit
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old))
	limit := func(most uint64) {
		require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: old.Max}, nil))
	}
	require.GreaterOrEqual(t, used, uint64(6))
	limit(used)
	eventually(t, s, config, "process_file_descriptors", fmt.Sprintf(
		"process_file_descriptors %s problem: %[1]s has %d open files of %[2]d (100 %%) that its limit allows, limit 95 %%", name, used))
	limit(100 * used)
	for _, line := range told(checkOn(t, config, s, "process_file_descriptors").Run(t.Context())) {
		require.NotContains(t, line, name, "it is well again")
	}

	// Where the number is not the size of the directory, it is listed.
	dir := t.TempDir()
	for i := range 7 {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "fd", strconv.Itoa(i)), 0o755))
	}
	n, err := openFiles(dir)
	require.NoError(t, err)
	require.EqualValues(t, 7, n)
}

func TestZombiesOfThisMachine(t *testing.T) {
	pid := start(t, "true & true & true & exec sleep 600")
	config := all()
	config.Zombies.Warn = Limit{Enter: 3, Reason: "X"}
	s := host()
	if err := s.view().SeesProcesses(); err != nil {
		t.Skip(err)
	}
	eventually(t, s, config, "zombies", fmt.Sprintf("sleep[%d] 3", pid))
}

// A frozen cgroup of version 1 is as near to a disk that hangs as can be had: it is
// known by its cgroup, and nothing else tells them apart.
func TestUninterruptibleSleepOfThisMachine(t *testing.T) {
	name, dir := cgroup(t, "freezer")
	pid := start(t, "exec sleep 600")
	put(t, filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid))
	put(t, filepath.Join(dir, "freezer.state"), "FROZEN")
	t.Cleanup(func() { put(t, filepath.Join(dir, "freezer.state"), "THAWED") })
	if err := host().view().SeesProcesses(); err != nil {
		t.Skip(err)
	}
	require.Eventually(t, func() bool {
		text, err := readFile(fmt.Sprintf("/proc/%d/stat", pid))
		var p process
		return err == nil && p.parse(text) == nil && p.state == 'D'
	}, 10*time.Second, 10*time.Millisecond)

	proc := t.TempDir() // only that process: others on this machine may be frozen too
	for _, file := range []string{strconv.Itoa(pid), "2", "cgroups"} {
		require.NoError(t, os.Symlink(filepath.Join("/proc", file), filepath.Join(proc, file)))
	}
	other := t.TempDir() // where it is said not to be frozen
	put(t, filepath.Join(mkdir(t, other, "fs/cgroup/freezer", name), "freezer.state"), "THAWED\n")
	for sys, want := range map[string]string{"/sys": "", other: fmt.Sprintf("[%d] 900", pid), t.TempDir(): "it cannot be seen whether the cgroup /" + name + " is frozen"} {
		clock := pipelinetest.NewClock(pipeline.SystemClock{}.Now())
		s := newSystem(pipeline.Settings{Host: pipeline.Host{Proc: proc, Sys: sys}, Clock: clock})
		run := checkOn(t, all(), s, "blocked_processes").Run
		_ = run(t.Context())
		clock.Advance(15 * time.Minute)
		got := strings.Join(told(run(t.Context())), "\n")
		if want != "" {
			require.Contains(t, got, want)
		} else {
			require.NotContains(t, got, fmt.Sprintf("[%d]", pid))
			require.NotContains(t, got, "unknown")
		}
	}
}

func mkdir(t *testing.T, path ...string) string {
	t.Helper()
	dir := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return dir
}
