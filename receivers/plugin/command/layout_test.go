package command

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const mountsV1 = `30 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:32 /kubepods/pod1/agent /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory
33 30 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
short - line
no line
`

func layoutOf(t *testing.T, own, mounts string) *cgroupLayout {
	t.Helper()
	proc := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(proc, "self"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(proc, "self/cgroup"), []byte(own), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(proc, "self/mountinfo"), []byte(mounts), 0o600))
	return readCgroupLayout(proc)
}

func TestCgroupLayout(t *testing.T) {
	hybrid := layoutOf(t, "9:cpu,cpuacct:/a\n4:memory:/kubepods/pod1/agent\n0::/u/v\nnothing\n", mountsV1)
	require.Equal(t, map[string]string{"cpu": "/sys/fs/cgroup/cpu,cpuacct/a", "memory": "/sys/fs/cgroup/memory"}, hybrid.legacy)
	require.Equal(t, "/sys/fs/cgroup/unified/u/v", hybrid.unified)

	unified := layoutOf(t, "0::/system.slice/otelnpd.service\n", "33 30 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	require.Empty(t, unified.legacy)
	require.Equal(t, "/sys/fs/cgroup/system.slice/otelnpd.service", unified.unified)

	none := readCgroupLayout("/nonexistent")
	_, err := none.newCgroup(Limits{PIDs: 1})
	require.ErrorContains(t, err, "limit pids by cgroups: no controller pids is mounted: mount cgroups at /sys/fs/cgroup, writable")
}

// The files of cgroup v2 stand in a folder of the test: where its controllers are
// taken by v1, the kernel gives none to try.
func TestUnifiedFiles(t *testing.T) {
	own := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(own, name), []byte(text), 0o600))
	}
	l := &cgroupLayout{unified: own}
	_, err := l.newCgroup(Limits{Memory: 1 << 20})
	require.ErrorContains(t, err, "has no controller memory: delegate it")
	write("cgroup.controllers", "cpu memory pids\n")
	_, err = l.newCgroup(Limits{Memory: 1 << 20})
	require.ErrorContains(t, err, "DelegateSubgroup=agent")
	write("cgroup.subtree_control", "memory cpu pids\n")
	_, err = l.newCgroup(Limits{Memory: 1 << 20})
	require.ErrorContains(t, err, "memory.max", "the kernel makes the files")

	list := settingsOf(Limits{Memory: 1 << 20, CPUs: 0.25, PIDs: 7})
	require.Len(t, list, 3)
	require.Equal(t, []value{{file: "memory.max", text: "1048576"}, {file: "memory.swap.max", text: "0", optional: true}}, list[0].unified)
	require.Equal(t, []value{{file: "cpu.max", text: "25000 100000"}}, list[1].unified)
	require.Equal(t, []value{{file: "pids.max", text: "7"}}, list[2].unified)
}

// A process is started right in its cgroup of v2, and killed by it.
func TestUnifiedCgroup(t *testing.T) {
	l := readCgroupLayout("/proc")
	folder := filepath.Join(l.unified, "otelnpd-test-"+strconv.Itoa(os.Getpid()))
	if l.unified == "" || os.Mkdir(folder, 0o755) != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs a writable cgroup v2")
		}
		t.Skip("needs a writable cgroup v2")
	}
	dir, err := os.Open(folder)
	require.NoError(t, err)
	g := &cgroup{unified: folder, dir: dir}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { _ = null.Close() }()
	p, err := g.start(&Command{Path: "/bin/sleep", Args: []string{"1000"}, Dir: "/"}, [3]*os.File{null, null, null})
	require.NoError(t, err)
	procs, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(p.pid)+"\n", string(procs))
	require.Error(t, g.remove(), "it is in use")
	g.kill()
	<-p.exited
	status, err := p.reap()
	require.NoError(t, err)
	require.Equal(t, "killed", status.Signal().String())
	require.Eventually(t, func() bool { return g.remove() == nil }, 10*time.Second, time.Millisecond)
}

// Kernels without pidfds are asked again and again.
func TestWithoutPidfd(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { _ = null.Close() }()
	for _, script := range []string{"exit 3", "sleep 0.2; exit 3"} {
		p, err := start(&Command{Path: "/bin/sh", Args: []string{"-c", script}, Dir: "/"}, [3]*os.File{null, null, null}, nil)
		require.NoError(t, err)
		old := &process{pid: p.pid, exited: make(chan struct{}), abandon: make(chan struct{})}
		old.watch(-1)
		<-old.exited
		<-p.exited
		p.release()
		status, err := old.reap()
		require.NoError(t, err)
		require.Equal(t, 3, status.ExitStatus())
	}
	p, err := start(&Command{Path: "/bin/sleep", Args: []string{"1000"}, Dir: "/"}, [3]*os.File{null, null, null}, nil)
	require.NoError(t, err)
	old := &process{pid: p.pid, exited: make(chan struct{}), abandon: make(chan struct{})}
	old.watch(-1)
	old.giveUp()
	p.signal(9)
	<-p.exited
	_, err = p.reap()
	require.NoError(t, err)
	_, err = p.reap()
	require.ErrorContains(t, err, "reap process")
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("12 (a) b) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1"))
	f.Fuzz(func(_ *testing.T, text []byte) { parseStat(text) })
}

func TestParseStat(t *testing.T) {
	s, ok := parseStat([]byte("12 (a) b) S 1 13 14 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1"))
	require.True(t, ok)
	require.Equal(t, stat{state: "S", parent: 1, group: 13, session: 14, started: 12345}, s)
	_, ok = parseStat([]byte("12 (a) S 1 x 14 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1"))
	require.False(t, ok)
}

func TestStaleCgroupsAreRemoved(t *testing.T) {
	parent := t.TempDir()
	gone, own, other := cgroupPrefix+"999999999-1", cgroupPrefix+strconv.Itoa(os.Getpid())+"-1", "system.slice"
	for _, name := range []string{gone, own, other} {
		require.NoError(t, os.Mkdir(filepath.Join(parent, name), 0o755))
	}
	(&cgroupLayout{legacy: map[string]string{pidsController: parent}}).removeStale("/proc")
	require.NoDirExists(t, filepath.Join(parent, gone))
	require.DirExists(t, filepath.Join(parent, own))
	require.DirExists(t, filepath.Join(parent, other))
}
