package command_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// patience bounds what must happen soon. It is no measure of speed.
const patience = 20 * time.Second

// lab is an open launcher, after which nothing is left.
type lab struct {
	t        *testing.T
	launcher *command.Launcher
	dir      string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), launcher: command.NewLauncher(command.Options{
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})}
	require.NoError(t, os.Chmod(l.dir, 0o755))
	files := len(descriptors(t))
	require.NoError(t, l.launcher.Open())
	t.Cleanup(func() {
		require.NoError(t, l.launcher.Close(context.Background()))
		l.launcher.Abandon()
		require.Empty(t, childrenNow(t), "processes are left")
		require.LessOrEqual(t, len(descriptors(t)), files, "files are open still")
		require.Empty(t, groupsNow(t), "cgroups are left")
	})
	return l
}

// script writes a script of sh and returns a command that runs it.
func (l *lab) script(lines ...string) *command.Command {
	l.t.Helper()
	return l.file("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n", 0o755)
}

func (l *lab) file(text string, mode os.FileMode) *command.Command {
	l.t.Helper()
	path := filepath.Join(l.dir, "plugin")
	require.NoError(l.t, os.WriteFile(path, []byte(text), mode))
	return &command.Command{
		Key: "check", Path: path, Dir: "/", Env: []string{"PATH=/usr/bin:/bin", "DIR=" + l.dir}, Keep: 4096, Timeout: patience,
	}
}

func (l *lab) run(c *command.Command) command.Result {
	l.t.Helper()
	began := time.Now()
	result := l.launcher.Run(l.t.Context(), nil, c)
	require.Less(l.t, time.Since(began), patience)
	return result
}

// await waits for a file that the script writes, and returns what is in it.
func (l *lab) await(name string) string {
	l.t.Helper()
	var text []byte
	require.Eventually(l.t, func() bool {
		text, _ = os.ReadFile(filepath.Join(l.dir, name))
		return strings.HasSuffix(string(text), "\n")
	}, patience, time.Millisecond, "wait for %s", name)
	return strings.TrimSpace(string(text))
}

func (l *lab) awaitGone(pid string) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		_, err := os.Stat("/proc/" + pid)
		return os.IsNotExist(err)
	}, patience, time.Millisecond, "process %s is there still", pid)
}

// childrenNow are the children of this process, zombies included.
func childrenNow(t *testing.T) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pids = append(pids, string(text))
		}
	}
	return pids
}

func descriptors(t *testing.T) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return list
}

// groupsNow are the cgroups that this process has made.
func groupsNow(t *testing.T) (found []string) {
	t.Helper()
	name := "otelnpd-plugin-" + strconv.Itoa(os.Getpid()) + "-*"
	for _, folder := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*/*"} {
		list, err := filepath.Glob(filepath.Join(folder, name))
		require.NoError(t, err)
		found = slices.Concat(found, list)
	}
	return found
}

// requireRight skips a test that needs what this machine does not give; in CI it
// fails.
func requireRight(t *testing.T, ok bool, why string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}
