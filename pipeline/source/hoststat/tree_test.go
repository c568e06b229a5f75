package hoststat

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

var update = flag.Bool("update", false, "write the golden readings anew")

// unpack makes a recorded node: files in testdata/NAME.txt, each under a line
// "-- path --", or "-- path -> target --" for a symbolic link. HOST is where it is.
func unpack(t testing.TB, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	require.NoError(t, err)
	_, rest, _ := strings.Cut("\n"+string(text), "\n-- ")
	for part := range strings.SplitSeq(rest, "\n-- ") {
		head, content, _ := strings.Cut(part, " --\n")
		head = strings.TrimSuffix(strings.TrimSpace(head), " --")
		path, target, isLink := strings.Cut(head, " -> ")
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o750))
		if isLink {
			require.NoError(t, os.Symlink(target, filepath.Join(dir, path)))
			continue
		}
		put(t, filepath.Join(dir, path), strings.ReplaceAll(strings.TrimRight(content, "\n"), "HOST", dir)+"\n")
	}
	return dir
}

func put(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// recorded returns a reader of a recorded node, whose file systems all answer the same.
func recorded(dir string) *Reader {
	r := New(Options{
		Root: dir, Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys"), Remote: true,
		KnownModules: filepath.Join(dir, "known.json"),
	})
	r.ask(func(of *mounts.FileSystem) (mounts.Usage, error) {
		if of.Mounts[0].Type == "nfs4" {
			return mounts.Usage{}, errors.New("stale file handle")
		}
		return mounts.Usage{Total: 100 << 30, Used: 40 << 30, Free: 60 << 30, Available: 55 << 30, Inodes: 1000, FreeInodes: 900}, nil
	})
	return r
}

// golden writes a reading with its errors as text, and without what is of the moment.
func golden(t *testing.T, n Reading, dir string) string {
	t.Helper()
	n.Time, n.Disks.Time, n.CPU.BootTime = time.Time{}, time.Time{}, n.CPU.BootTime.UTC()
	for _, err := range []*error{
		&n.CPU.Err, &n.Load.Err, &n.Memory.Err, &n.Paging.Err, &n.Disks.Err, &n.Disks.SysErr, &n.FileSystems.Err, &n.Interfaces.Err,
		&n.Processes.Err, &n.Uptime.Err, &n.System.Err, &n.System.OSErr, &n.CommandLine.Err, &n.Modules.Err, &n.Modules.KnownErr,
	} {
		asText(err)
	}
	for i := range n.FileSystems.Each {
		asText(&n.FileSystems.Each[i].Err)
	}
	text, err := json.MarshalIndent(n, "", " ")
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), dir, "HOST") + "\n"
}

type textError string

func (e textError) Error() string { return string(e) }

func asText(err *error) {
	if *err != nil {
		*err = textError((*err).Error())
	}
}

func TestRecordedNodes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, name)
			got := golden(t, recorded(dir).Read(t.Context()), dir)
			path := "testdata/" + name + ".json"
			if *update {
				put(t, path, got)
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// What is broken or missing has an error of its own, and leaves the rest as it was.
func TestBrokenFilesBreakTheirPartAlone(t *testing.T) {
	bad := "cpu 1 2 3 99999999999999999999\nMemTotal: x kB\npgfault -1\n8 0 sda 1\neth0: 1\nnan x\n"
	for path, of := range map[string]func(*Reading) *error{
		"proc/stat":                 func(n *Reading) *error { return &n.CPU.Err },
		"proc/loadavg":              func(n *Reading) *error { return &n.Load.Err },
		"proc/meminfo":              func(n *Reading) *error { return &n.Memory.Err },
		"proc/vmstat":               func(n *Reading) *error { return &n.Paging.Err },
		"proc/diskstats":            func(n *Reading) *error { return &n.Disks.Err },
		"proc/1/net/dev":            func(n *Reading) *error { return &n.Interfaces.Err },
		"proc/uptime":               func(n *Reading) *error { return &n.Uptime.Err },
		"proc/sys/kernel/osrelease": func(n *Reading) *error { return &n.System.Err },
		"proc/modules":              func(n *Reading) *error { return &n.Modules.Err },
		"proc/cmdline":              func(n *Reading) *error { return &n.CommandLine.Err },
		"proc/filesystems":          func(n *Reading) *error { return &n.FileSystems.Err },
		"proc/self/mountinfo":       func(n *Reading) *error { return &n.FileSystems.Err },
		"etc/os-release":            func(n *Reading) *error { return &n.System.OSErr },
	} {
		for _, content := range []string{"", bad} {
			dir := unpack(t, "linux-5.15")
			r := recorded(dir)
			whole := r.Read(t.Context())
			require.NoError(t, *of(&whole), path)
			require.NoError(t, os.Remove(filepath.Join(dir, path)))
			anyText := slices.Contains([]string{"proc/sys/kernel/osrelease", "proc/cmdline", "proc/filesystems", "proc/self/mountinfo"}, path)
			switch {
			case content != "" && anyText:
				continue // any text will do there
			case content != "":
				put(t, filepath.Join(dir, path), content)
			}
			n := recorded(dir).Read(t.Context())
			require.Error(t, *of(&n), path)
			*of(&whole), *of(&n) = nil, nil
			for _, of := range []func(*Reading) any{
				func(n *Reading) any { return n.CPU.Err }, func(n *Reading) any { return n.Load }, func(n *Reading) any { return n.Memory.Err },
				func(n *Reading) any { return n.Interfaces.Err }, func(n *Reading) any { return n.Disks.Err },
			} {
				if path != "proc/loadavg" {
					require.Equal(t, of(&whole), of(&n), path)
				}
			}
		}
	}
}

// Without the host's namespaces there is an error with a remedy, no container's figure.
// A FIFO in the place of a file or directory waits for its other end: nothing waits for that.
func TestFIFOsAreNotWaitedFor(t *testing.T) {
	for _, path := range []string{"proc/stat", "proc/2/stat", "proc/1/mountinfo", "proc/self/mountinfo", "proc/1/net/dev", "etc/os-release", "sys/block"} {
		dir := unpack(t, "linux-5.15")
		fifo := filepath.Join(dir, path)
		require.NoError(t, os.RemoveAll(fifo))
		require.NoError(t, unix.Mkfifo(fifo, 0o600))
		done := make(chan struct{})
		go func() {
			defer close(done)
			recorded(dir).Read(t.Context())
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Error(path, "is waited for")
			end, err := os.OpenFile(fifo, os.O_RDWR, 0)
			require.NoError(t, err)
			require.NoError(t, end.Close())
			<-done
		}
	}
}

func TestContainersFiguresAreNotTheNodes(t *testing.T) {
	dir := unpack(t, "linux-5.15")
	for _, path := range []string{"proc/2", "proc/sys/net"} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, path)))
	}
	n := recorded(dir).Read(t.Context())
	require.EqualError(t, n.Interfaces.Err, "the agent is not in the host's network namespace")
	require.ErrorContains(t, n.Processes.Err, "does not show the processes of the host")
	require.Empty(t, n.Interfaces.Each)
	require.Zero(t, n.Processes.Count)
	require.NoError(t, n.CPU.Err)
	require.NoError(t, n.FileSystems.Err)
	require.NotEmpty(t, n.FileSystems.Each)
	for _, one := range n.FileSystems.Each {
		require.Empty(t, one.Options, "those of a container's mount are not the node's")
	}

	// The first process of the node tells its interfaces to an agent in another namespace.
	dir = unpack(t, "linux-5.15")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "proc/sys/net")))
	put(t, filepath.Join(dir, "proc/net/dev"), "x\n face |bytes\n own0: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n")
	n = recorded(dir).Read(t.Context())
	require.NoError(t, n.Interfaces.Err)
	require.Equal(t, "lo", n.Interfaces.Each[0].Name)
}
