package filewatch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/config/filewatch"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for the kernel: far less than it takes to
// poll.
const patience = 10 * time.Second

// soon is a settling time that tests can afford.
const soon = 20 * time.Millisecond

// watched is a watcher under test.
type watched struct {
	*filewatch.Watcher
	t   *testing.T
	log pipelinetest.Output
}

// watch watches with the kernel's help alone: nothing is polled for an hour.
func watch(t *testing.T, settle time.Duration, paths ...string) *watched {
	t.Helper()
	w := &watched{t: t}
	w.Watcher = filewatch.New(filewatch.Options{
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Settle: settle, Poll: time.Hour,
	})
	require.NoError(t, w.SetPaths(paths))
	w.Start()
	t.Cleanup(func() { require.NoError(t, w.Shutdown(context.Background())) })
	return w
}

func (w *watched) changed(t *testing.T) {
	t.Helper()
	select {
	case <-w.Changes():
	case <-time.After(patience):
		require.Fail(t, "the change has not been noticed", w.log.String())
	}
}

func (w *watched) logged(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(w.log.String(), text) }, patience, time.Millisecond)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.Rename(from, to))
}

func link(t *testing.T, target, path string) {
	t.Helper()
	require.NoError(t, os.Symlink(target, path+".new"))
	rename(t, path+".new", path)
}

// scene is where a change happens.
type scene struct {
	t         *testing.T
	dir, file string
}

// Each step is one change, and the watch survives it: the next is noticed too.
func TestChangesAreNoticed(t *testing.T) {
	for name, steps := range map[string][]func(s scene){
		"written in place": {
			func(s scene) { write(s.t, s.file, "2") },
			func(s scene) { write(s.t, s.file, "3") },
		},
		"replaced by rename": {
			func(s scene) { write(s.t, s.dir+"/new", "2"); rename(s.t, s.dir+"/new", s.file) },
			func(s scene) { write(s.t, s.dir+"/new", "3"); rename(s.t, s.dir+"/new", s.file) },
			func(s scene) { write(s.t, s.file, "4") },
		},
		"moved away and created, as editors do": {
			func(s scene) { rename(s.t, s.file, s.file+"~"); write(s.t, s.file, "2") },
			func(s scene) { rename(s.t, s.file, s.file+"~"); write(s.t, s.file, "3") },
		},
		"written by another name": {
			func(s scene) {
				require.NoError(s.t, os.Mkdir(s.dir+"/else", 0o755))
				require.NoError(s.t, os.Link(s.file, s.dir+"/else/where"))
				write(s.t, s.dir+"/else/where", "2")
			},
			func(s scene) { write(s.t, s.dir+"/else/where", "3") },
		},
		"its directory replaced": {
			func(s scene) {
				rename(s.t, s.dir+"/etc", s.dir+"/etc.old")
				write(s.t, s.file, "2")
			},
			func(s scene) { write(s.t, s.file, "3") },
			func(s scene) {
				require.NoError(s.t, os.RemoveAll(s.dir+"/etc"))
				write(s.t, s.file, "4")
			},
			func(s scene) { write(s.t, s.file, "5") },
		},
		"a directory far above replaced": {
			func(s scene) {
				write(s.t, s.dir+"2/etc/otelnpd/otelnpd.yaml", "2")
				rename(s.t, s.dir, s.dir+".old")
				rename(s.t, s.dir+"2", s.dir)
			},
			func(s scene) { write(s.t, s.file, "3") },
		},
		"became a symlink, and that was turned": {
			func(s scene) { write(s.t, s.dir+"/b", "2"); link(s.t, s.dir+"/b", s.file) },
			func(s scene) { write(s.t, s.dir+"/c", "3"); link(s.t, "../../c", s.file) },
			func(s scene) { write(s.t, s.dir+"/c", "4") },
		},
		"a directory became a chain of symlinks": {
			func(s scene) {
				write(s.t, s.dir+"/x/otelnpd/otelnpd.yaml", "2")
				link(s.t, "x", s.dir+"/y")
				rename(s.t, s.dir+"/etc", s.dir+"/etc.old")
				link(s.t, "./y/../y", s.dir+"/etc")
			},
			func(s scene) {
				write(s.t, s.dir+"/z/otelnpd/otelnpd.yaml", "3")
				link(s.t, s.dir+"/z", s.dir+"/y")
			},
			func(s scene) { write(s.t, s.dir+"/z/otelnpd/otelnpd.yaml", "4") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			file := filepath.Join(dir, "etc/otelnpd/otelnpd.yaml")
			write(t, file, "1")
			w := watch(t, soon, file)
			for _, step := range steps {
				step(scene{t, dir, file})
				w.changed(t)
			}
			// Between two calls of a step a busy machine may take longer than a file stands.
			for line := range strings.Lines(w.log.String()) {
				require.Contains(t, line, "is gone")
			}
		})
	}
}

func TestDirectoriesThatAppearLater(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a/b/c/otelnpd.yaml")
	w := watch(t, soon, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	write(t, file, "1")
	w.changed(t)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "a")))
	w.logged(t, "a configuration file is gone: the running configuration stays")
	write(t, file, "2")
	w.changed(t)
}

func TestSymlinkThatLeadsNowhereYet(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "otelnpd.yaml")
	require.NoError(t, os.Symlink("later/on", file))
	w := watch(t, soon, file)
	write(t, filepath.Join(dir, "later/on"), "1")
	w.changed(t)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Symlink(file, file)) // a loop
	w.logged(t, "is gone")
	link(t, "later/../later/on2", file)
	write(t, filepath.Join(dir, "later/on2"), "2")
	w.changed(t)
}

// A switch is whole at once: with an hour to settle it is told all the same.
func TestKubernetesSwitchIsToldAtOnce(t *testing.T) {
	mount := configMap{filepath.Join(t.TempDir(), "etc/otelnpd")}
	mount.write(t, map[string]string{"otelnpd.yaml": "1", "pack.yaml": "a"})
	w := watch(t, time.Hour, filepath.Join(mount.dir, "otelnpd.yaml"), filepath.Join(mount.dir, "pack.yaml"))
	for _, text := range []string{"2", "3", "4"} {
		mount.write(t, map[string]string{"otelnpd.yaml": text, "pack.yaml": "b" + text})
		w.changed(t)
	}
	require.Empty(t, w.log.String())
}

func TestKubernetesMountThroughAnotherSymlink(t *testing.T) {
	dir := t.TempDir()
	mount := configMap{filepath.Join(dir, "mount")}
	mount.write(t, map[string]string{"otelnpd.yaml": "1"})
	require.NoError(t, os.Symlink("mount/otelnpd.yaml", filepath.Join(dir, "otelnpd.yaml")))
	w := watch(t, time.Hour, filepath.Join(dir, "otelnpd.yaml"))
	mount.write(t, map[string]string{"otelnpd.yaml": "2"})
	w.changed(t)
}

// The link of a new key comes after the switch, so that it has to settle.
func TestKubernetesKeyIsAddedAndRemoved(t *testing.T) {
	mount := configMap{t.TempDir()}
	mount.write(t, map[string]string{"otelnpd.yaml": "1"})
	w := watch(t, soon, filepath.Join(mount.dir, "otelnpd.yaml"), filepath.Join(mount.dir, "pack.yaml"))
	mount.write(t, map[string]string{"otelnpd.yaml": "1", "pack.yaml": "a"})
	w.changed(t)
	mount.write(t, map[string]string{"otelnpd.yaml": "1"})
	w.logged(t, "pack.yaml")
	mount.write(t, map[string]string{"otelnpd.yaml": "2"})
	w.changed(t)
}

// A mount over a watched directory changes nothing in it.
func TestMountIsReplaced(t *testing.T) {
	if os.Getuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "etc/otelnpd.yaml")
	write(t, file, "1")
	write(t, filepath.Join(dir, "other/otelnpd.yaml"), "2")
	w := watch(t, soon, file)
	if err := unix.Mount(filepath.Join(dir, "other"), filepath.Join(dir, "etc"), "", unix.MS_BIND, ""); err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs the right to mount in CI")
		t.Skip("no mount can be made here: ", err)
	}
	mounted := true
	defer func() {
		if mounted {
			require.NoError(t, unix.Unmount(filepath.Join(dir, "etc"), unix.MNT_DETACH))
		}
	}()
	w.changed(t)
	write(t, file, "3")
	w.changed(t)
	require.NoError(t, unix.Unmount(filepath.Join(dir, "etc"), 0), "the watch does not keep a mount busy")
	mounted = false
	w.changed(t)
}

func TestPathsAreSetWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	write(t, one, "1")
	w := watch(t, soon, one)
	write(t, two, "1")
	require.NoError(t, w.SetPaths([]string{one, two}))
	write(t, two, "2")
	w.changed(t)
	require.NoError(t, w.SetPaths([]string{two}))
	write(t, two, "3")
	w.changed(t)
}

func TestShutdown(t *testing.T) {
	w := filewatch.New(filewatch.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, w.Shutdown(t.Context()), "without a start")
	w = filewatch.New(filewatch.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, w.SetPaths([]string{"/does/not/exist"}))
	w.Start()
	require.NoError(t, w.Shutdown(t.Context()))
	require.NoError(t, w.Shutdown(t.Context()))
}
