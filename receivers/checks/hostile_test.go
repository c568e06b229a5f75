package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// needed are the files without which a check can say nothing.
func needed() map[string][]string {
	return map[string][]string{
		"threads":                  {"proc/loadavg"},
		"file_descriptors":         {"proc/sys/fs/file-nr"},
		"memory":                   {"proc/meminfo"},
		"memory_stall":             {"proc/meminfo", "proc/pressure/memory"},
		"cpu_stall":                {"proc/pressure/cpu"},
		"io_stall":                 {"proc/pressure/io"},
		"inotify":                  {"proc/self/uid_map"},
		"process_file_descriptors": {"proc/2/stat", "proc/711/stat", "proc/711/limits"},
		"oom_kills":                {"proc/vmstat"},
		"zombies":                  {"proc/2/stat", "proc/711/stat"},
		"blocked_processes":        {"proc/2/stat", "proc/5000/stat", "proc/5000/status", "proc/5000/cgroup"},
		"load":                     {"proc/loadavg", "sys/devices/system/cpu/online"},
	}
}

// What is missing or makes no sense is no health and no problem: every check says
// that it does not know, and what to do.
func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "linux-6.8-sick")
	for name, text := range map[string]string{
		"binary": "\x00\xff\xfe\x1b]0;owned\x07", "words": "no such thing\n", "huge": strings.Repeat("9", maxFile+1), "negative": "-1 -1 -1 -1/-1 -1\n",
	} {
		for checkName, paths := range needed() {
			for _, path := range paths {
				if path == "proc/5000/cgroup" {
					continue // a cgroup may be called anything
				}
				old, err := os.ReadFile(tr.path(path))
				require.NoError(t, err)
				tr.write(t, path, text)
				t.Run(name+"/"+checkName+"/"+path, func(t *testing.T) { requireUnknown(t, tr.look(t, all(), checkName)) })
				tr.write(t, path, string(old))
			}
		}
	}
}

func TestWhatIsMissingIsUnknown(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "linux-6.8-sick")
	for checkName, paths := range needed() {
		for _, path := range paths {
			if strings.Contains(path, "/711/") || strings.Contains(path, "/5000/") {
				continue // a process that has ended
			}
			old, err := os.ReadFile(tr.path(path))
			require.NoError(t, err)
			tr.remove(t, path)
			t.Run(checkName+"/"+path, func(t *testing.T) { requireUnknown(t, tr.look(t, all(), checkName)) })
			tr.write(t, path, string(old))
		}
	}
}

func TestWhatMayNotBeReadIsUnknown(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	for checkName, paths := range needed() {
		for _, path := range paths {
			tr := newTree(t, "linux-6.8-cgroup2", "linux-6.8-sick")
			require.NoError(t, os.Chmod(tr.path(path), 0))
			requireUnknown(t, tr.look(t, all(), checkName))
		}
	}
}

func requireUnknown(t *testing.T, report check.Report) {
	t.Helper()
	require.NotEmpty(t, report.Findings)
	require.False(t, report.Complete)
	require.NotNil(t, report.Degraded)
	require.NotEmpty(t, report.Degraded.Remedy)
	for _, finding := range report.Findings {
		require.Equal(t, pipeline.StateUnknown, finding.State, finding.Message)
		require.Equal(t, "NotMeasured", finding.Reason)
		require.False(t, finding.Between)
	}
	requireHarmless(t, report)
}

func requireHarmless(t *testing.T, report check.Report) {
	t.Helper()
	for _, finding := range report.Findings {
		require.NotEmpty(t, finding.Message)
		require.LessOrEqual(t, len(finding.Message), condition.MaxMessageBytes)
		require.Equal(t, terminal.Text(finding.Message), finding.Message)
	}
}

// Whatever a file says, no check panics, and what it tells can be shown.
func FuzzFiles(f *testing.F) {
	var paths []string
	for _, list := range needed() {
		paths = append(paths, list...)
	}
	paths = append(paths, "proc/711/statm", "proc/700/fdinfo/12", "proc/4711/status", "proc/cgroups", "proc/self/status",
		"sys/fs/cgroup/kubepods.slice/pids.max", "sys/fs/cgroup/kubepods.slice/pids.current", "proc/sys/kernel/pid_max", "proc/sys/fs/inotify/max_user_watches")
	for _, own := range []string{"/proc/self/stat", "/proc/self/status", "/proc/meminfo", "/proc/loadavg", "/proc/self/cgroup", "/proc/self/limits"} {
		text, err := os.ReadFile(own)
		require.NoError(f, err)
		f.Add(uint(0), string(text))
	}
	f.Add(uint(3), "max\n")
	tr := newTree(f, "linux-6.8-cgroup2", "linux-6.8-sick")
	config := all()
	f.Fuzz(func(t *testing.T, which uint, text string) {
		path := paths[which%uint(len(paths))]
		old, err := os.ReadFile(tr.path(path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		require.NoError(t, os.WriteFile(tr.path(path), []byte(text), 0o600))
		s := newSystem(tr.settings(t))
		for _, one := range config.entries() {
			if one.name != "inotify" { // it asks the kernel that runs here
				requireHarmless(t, checkOn(t, config, s, one.name).Run(t.Context()))
			}
		}
		_ = s.sharesUsers()
		_, _ = s.countInotify(t.Context(), inotifyCount{"watches", countWatches})
		if err != nil {
			require.NoError(t, os.Remove(tr.path(path)))
		} else {
			require.NoError(t, os.WriteFile(tr.path(path), old, 0o600))
		}
	})
}

// Of very many processes at their limits the worst are told, and none is said to be gone.
func TestVeryManyProcessesAtTheirLimits(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	config := all()
	config.ProcessFileDescriptors.Names = []string{"greedy"}
	for i := range maxProcesses + 20 {
		dir := fmt.Sprintf("proc/%d/", 20_000+i)
		tr.write(t, dir+"stat", fmt.Sprintf("%d (greedy) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000", 20_000+i))
		tr.write(t, dir+"limits", fmt.Sprintf("Max open files %d %[1]d files", 1+i%2))
		tr.write(t, dir+"fd/0", "")
		tr.write(t, dir+"fd/1", "")
	}
	report := tr.look(t, config, "process_file_descriptors")
	require.Len(t, report.Findings, 2*maxProcesses)
	require.False(t, report.Complete)
	worst := 0
	for _, finding := range report.Findings {
		require.Equal(t, pipeline.StateProblem, finding.State)
		if strings.Contains(finding.Message, "2 open files of 1 (200 %)") {
			worst++
		}
	}
	require.Equal(t, maxProcesses+20, worst, "half of them, by two rules")
}

func TestLongMessagesAreCut(t *testing.T) {
	long := bounded(strings.Repeat("ä", condition.MaxMessageBytes))
	require.LessOrEqual(t, len(long), condition.MaxMessageBytes)
	require.True(t, strings.HasSuffix(long, "ä …"), long[len(long)-10:])
	require.Equal(t, `a\x1b`, bounded("a\x1b"))
}

func TestRemedies(t *testing.T) {
	for want, err := range map[string]error{
		"do that":                         fmt.Errorf("wrapped: %w", hostview.NewBlind("this", "do that")),
		"run as root":                     fmt.Errorf("wrapped: %w", fs.ErrPermission),
		"let service.host point to":       fmt.Errorf("wrapped: %w", fs.ErrNotExist),
		"it is tried again at every look": errors.New("anything"),
	} {
		require.Contains(t, remedyOf(err), want)
	}
}
