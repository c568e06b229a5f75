package checks

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestParseStat(t *testing.T) {
	const rest = " 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 42 0 98765 1000 10 18446744073709551615"
	for text, want := range map[string]process{
		"711 (containerd) S 1" + rest:       {711, 1, "containerd", 'S', 4194560, 42, 98765},
		"712 (a) D 3 (b\n) Z 1" + rest:      {712, 1, "a) D 3 (b\n", 'Z', 4194560, 42, 98765},
		"713 () D 2" + rest + " 1 2 3 4\n":  {713, 2, "", 'D', 4194560, 42, 98765},
		"714 (\xff\xfe\x1b[31m) S 1" + rest: {714, 1, "\xff\xfe\x1b[31m", 'S', 4194560, 42, 98765},
	} {
		var p process
		require.NoError(t, p.parse(text), text)
		require.Equal(t, want, p)
	}
	for _, text := range []string{"", "1", "1 (", "1 (x", ")(", "1 (x)", "1 (x) S 1", "x (y) S 1" + rest, "1 (y) SS 1" + rest, "1 (y) S q" + rest} {
		require.Error(t, new(process).parse(text), text)
	}
}

func TestHostileNames(t *testing.T) {
	for name, want := range map[string]string{
		"java":                   "java[7]",
		"\x1b[2J\nok":            `\x1b[2J\nok[7]`,
		"\u202egpj":              `\u202egpj[7]`,
		"\xff":                   `\xff[7]`,
		strings.Repeat("ä", 40):  strings.Repeat("ä", 16) + "…[7]",
		strings.Repeat("x", 200): strings.Repeat("x", 32) + "…[7]",
	} {
		require.Equal(t, want, (&process{pid: 7, name: name}).String())
	}
}

func TestTopText(t *testing.T) {
	require.Empty(t, topText(nil))
	list := []ranked{{"a", 1}, {"f", 2}, {"c", 3000}, {"d", 2}, {"e", 5}, {"b", 2}}
	require.Equal(t, "c 3,000, e 5, b 2, d 2, f 2", topText(list))
	require.Equal(t, "a", list[0].name, "the list is left as it is")
}

func FuzzParseStat(f *testing.F) {
	own, err := os.ReadFile("/proc/self/stat")
	require.NoError(f, err)
	f.Add(string(own))
	f.Add("712 (a) D 3 (b\n) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 42 0 98765 1000")
	f.Fuzz(func(t *testing.T, text string) {
		var p process
		if p.parse(text) != nil {
			return
		}
		// What was read can be written, and is read the same.
		var again process
		require.NoError(t, again.parse(fmt.Sprintf("%d (%s) %c %d 0 0 0 0 %d 0 0 0 0 0 0 0 0 0 0 %d 0 %d",
			p.pid, p.name, p.state, p.parent, p.flags, p.threads, p.start)))
		require.Equal(t, p, again)
	})
}

// The processes of this machine are as procfs shows them.
func TestScanOfThisMachine(t *testing.T) {
	list, err := scan(t.Context(), "/proc", 0)
	require.NoError(t, err)
	byPID := map[int]process{}
	for _, p := range list {
		byPID[p.pid] = p
	}
	own, ok := byPID[os.Getpid()]
	require.True(t, ok)
	comm, err := os.ReadFile("/proc/self/comm")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(comm)), own.name)
	require.Equal(t, os.Getppid(), own.parent)
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	require.InDelta(t, len(tasks), own.threads, 3)
	require.False(t, own.kernel())
	if kernel, ok := byPID[2]; ok && kernel.name == "kthreadd" {
		require.True(t, kernel.kernel())
	}
}

// Checks that look at one moment share a scan; later ones see what is new.
func TestScansAreShared(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	s := newSystem(tr.settings(t))
	first, err := s.processes(t.Context())
	require.NoError(t, err)
	require.Len(t, first, 6)
	tr.remove(t, "proc/4711")
	tr.clock.Advance(scanAge - 1)
	again, err := s.processes(t.Context())
	require.NoError(t, err)
	require.Len(t, again, 6)
	tr.clock.Advance(1)
	later, err := s.processes(t.Context())
	require.NoError(t, err)
	require.Len(t, later, 5)
	require.Len(t, first, 6, "what was given is not changed")

	tr.clock.Advance(scanAge)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 300 {
		require.NoError(t, os.Mkdir(tr.path("proc/"+strconv.Itoa(20_000+i)), 0o755))
	}
	_, err = s.processes(ended)
	require.ErrorIs(t, err, context.Canceled)
	later, err = s.processes(t.Context())
	require.NoError(t, err)
	require.Len(t, later, 5, "what has ended is left out")
}

// A list that may not be whole is none: who is missing might be the one.
func TestAScanIsWholeOrFails(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	tr.write(t, "proc/711/stat", "711 (containerd")
	for _, name := range []string{"zombies", "blocked_processes", "process_file_descriptors"} {
		for _, finding := range tr.look(t, all(), name).Findings {
			require.Equal(t, pipeline.StateUnknown, finding.State)
			require.Contains(t, finding.Message, "read 711/stat: it is not in the form of a stat file")
		}
	}
	require.NoError(t, os.Truncate(tr.path("proc/711/stat"), 0))
	require.NotEqual(t, pipeline.StateUnknown, tr.look(t, all(), "zombies").Findings[0].State)

	// Out of file descriptors, all processes would seem to be gone.
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	free, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(free))
	few := old
	few.Cur = uint64(free) + 1 // enough for the list, and for no file in it
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	_, err = scan(t.Context(), tr.path("proc"), 0)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	require.ErrorIs(t, err, unix.EMFILE)
	require.NoError(t, ifAlive(unix.ESRCH))
}
