package state_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/state"
)

// real makes a writer on a real directory, as quick as the disk.
func (a *agent) real(t *testing.T, dir string) *state.Writer {
	t.Helper()
	options := a.options()
	options.Dir, options.Disk = dir, nil
	options.ChangedInterval, options.MaxRetryInterval = time.Millisecond, 10*time.Millisecond
	w, err := state.NewWriter(options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Shutdown(context.Background()) }) // of a test that has failed
	return w
}

// run opens and starts it.
func run(t *testing.T, w *state.Writer) *state.Writer {
	t.Helper()
	_, _ = w.Open(t.Context()) // what is there does not matter
	require.NoError(t, w.Start(t.Context()))
	return w
}

func requireValue(t *testing.T, dir, want string) {
	t.Helper()
	document, err := state.Read(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, want, string(document.Sections["value"]))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	names, err := state.NewDisk(dir).Names()
	require.NoError(t, err)
	return names
}

func TestDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lib", "otelnpd")
	a := newAgent()
	w := run(t, a.real(t, dir))
	a.set(1)
	require.NoError(t, w.Sync(t.Context()))
	for name, want := range map[string]fs.FileMode{
		"": fs.ModeDir | 0o700, "state.json": 0o600, "lock": 0o600, "..": fs.ModeDir | 0o755,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, info.Mode(), name)
	}
	require.Equal(t, []string{"lock", "state.json"}, names(t, dir))
	requireValue(t, dir, "1")
	shutdown(t, w)
}

// What is there is left as its owner wanted it.
func TestDirectoryOfTheOperator(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o750))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	a := newAgent()
	w := run(t, a.real(t, link))
	require.NoError(t, w.Sync(t.Context()))
	shutdown(t, w)
	requireValue(t, dir, "0")
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o750), info.Mode().Perm())
}

func TestSecondAgent(t *testing.T) {
	dir := t.TempDir()
	first, second := newAgent(), newAgent()
	w := run(t, first.real(t, dir))
	other := second.real(t, dir)
	_, err := other.Open(t.Context())
	require.ErrorIs(t, err, state.ErrLocked)
	require.EqualError(t, err, fmt.Sprintf("the state directory is in use by another otelnpd: another process (pid %d) holds %s/lock", os.Getpid(), dir))

	// Even one that goes on writes nothing.
	require.NoError(t, other.Start(t.Context()))
	require.ErrorIs(t, other.Sync(t.Context()), state.ErrLocked)
	second.requireDegraded(t, strconv.Itoa(os.Getpid()), "stop the other agent")
	require.Equal(t, []string{"lock"}, names(t, dir))
	shutdown(t, w)
	require.NoError(t, other.Sync(t.Context()), "when the first has gone")
	second.requireOK(t)
	shutdown(t, other)
	shutdown(t, run(t, first.real(t, dir)))
}

func TestDirectoryThatIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "otelnpd")
	a, b := newAgent(), newAgent()
	w := run(t, a.real(t, dir))
	require.NoError(t, w.Sync(t.Context()))
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, w.Sync(t.Context()), "the same is written again, since it is gone")
	requireValue(t, dir, "0")
	_, err := b.real(t, dir).Open(t.Context())
	require.ErrorIs(t, err, state.ErrLocked, "the new directory is locked, too")

	// Somebody else has made it anew.
	require.NoError(t, os.RemoveAll(dir))
	other := run(t, b.real(t, dir))
	a.set(1)
	require.ErrorIs(t, w.Sync(t.Context()), state.ErrLocked)
	require.NoError(t, other.Sync(t.Context()))
	requireValue(t, dir, "0")
	shutdown(t, other)
	require.NoError(t, w.Sync(t.Context()))
	requireValue(t, dir, "1")
	shutdown(t, w)
}

// In the places of our files there may be anything.
func TestHostileDirectory(t *testing.T) {
	precious := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(precious, []byte("precious"), 0o600))
	for what, make := range map[string]func(path string) error{
		"a directory":      func(path string) error { return os.Mkdir(path, 0o700) },
		"a full directory": func(path string) error { return os.MkdirAll(path+"/x", 0o700) },
		"a link":           func(path string) error { return os.Symlink(precious, path) },
		"a loop":           func(path string) error { return os.Symlink(path, path) },
		"a named pipe":     func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		t.Run("state.json is "+what, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, make(filepath.Join(dir, "state.json")))
			a := newAgent()
			w := a.real(t, dir)
			_, err := w.Open(t.Context())
			require.ErrorIs(t, err, state.ErrCorrupt)
			require.ErrorContains(t, err, "is no regular file")
			require.NoError(t, w.Start(t.Context()))
			require.NoError(t, w.Sync(t.Context()))
			requireValue(t, dir, "0")
			require.Len(t, names(t, dir), 3, "it is set aside")
			shutdown(t, w)
		})
		t.Run("state.json.new is "+what, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, make(filepath.Join(dir, "state.json.new")))
			a := newAgent()
			w := run(t, a.real(t, dir))
			err := w.Sync(t.Context())
			if what == "a full directory" {
				a.requireDegraded(t, "state.json.new: directory not empty", "look at the disk of "+dir)
				require.Error(t, w.Shutdown(t.Context()))
				return
			}
			require.NoError(t, err)
			requireValue(t, dir, "0")
			shutdown(t, w)
		})
	}
	text, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

func TestPlacesWhereNoDirectoryCanBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/otelnpd"} {
		a := newAgent()
		w := run(t, a.real(t, dir))
		require.ErrorIs(t, w.Sync(t.Context()), state.ErrDegraded)
		a.requireDegraded(t, "make the state directory", "look at the disk of "+dir)
		require.Error(t, w.Shutdown(t.Context()))
	}
}

func TestReadChangesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := state.Read(t.Context(), filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = state.Read(t.Context(), dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	for text, want := range map[string]error{"nonsense": state.ErrCorrupt, newer(): state.ErrNewer} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), []byte(text), 0o600))
		_, err = state.Read(t.Context(), dir)
		require.ErrorIs(t, err, want)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), fixture(t), 0o600))
	document, err := state.Read(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, small(), document)
	require.Equal(t, []string{"state.json"}, names(t, dir))
}

// A file that is too large is not read to its end.
func TestHugeFile(t *testing.T) {
	dir := t.TempDir()
	huge, err := os.Create(filepath.Join(dir, "state.json"))
	require.NoError(t, err)
	require.NoError(t, huge.Truncate(1<<40))
	require.NoError(t, huge.Close())
	_, err = state.Read(t.Context(), dir)
	require.ErrorIs(t, err, state.ErrCorrupt)
	require.ErrorContains(t, err, "it has more than 67108864 bytes")
	data, err := state.NewDisk(dir).Read("state.json", 10)
	require.NoError(t, err)
	require.Len(t, data, 11)
}

func TestReadAllOfAFile(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		text := strings.Repeat("x", size)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o600))
		data, err := state.NewDisk(dir).Read("f", 1<<20)
		require.NoError(t, err)
		require.Equal(t, text, string(data))
	}
	data, err := state.NewDisk("/proc/self").Read("status", 1<<20) // its size is not told
	require.NoError(t, err)
	require.Contains(t, string(data), "VmRSS")
}

// mount mounts a tmpfs, which the test may change.
func mount(t *testing.T, options string) (dir string, remount func(flags uintptr, options string)) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI: %v", err)
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir, func(flags uintptr, options string) {
		require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|flags, options))
	}
}

func TestRealDiskIsFull(t *testing.T) {
	dir, remount := mount(t, "size=64k")
	a := newAgent()
	w := run(t, a.real(t, dir))
	a.set(1)
	require.NoError(t, w.Sync(t.Context()))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), make([]byte, 56<<10), 0o600))
	a.set(2)
	err := w.Sync(t.Context())
	require.ErrorIs(t, err, unix.ENOSPC)
	a.requireDegraded(t, "no space left on device", "free space on the file system of "+dir)
	requireValue(t, dir, "1")
	require.NotContains(t, names(t, dir), "state.json.new")
	remount(0, "size=1m")
	require.NoError(t, w.Sync(t.Context()))
	requireValue(t, dir, "2")
	a.requireOK(t)
	shutdown(t, w)
}

func TestRealDiskIsReadOnly(t *testing.T) {
	dir, remount := mount(t, "size=1m")
	a := newAgent()
	w := run(t, a.real(t, dir))
	a.set(1)
	require.NoError(t, w.Sync(t.Context()))
	shutdown(t, w)

	remount(unix.MS_RDONLY, "size=1m")
	w = a.real(t, dir)
	document, err := w.Open(t.Context())
	require.NoError(t, err, "what cannot be written can be read")
	require.Equal(t, "1", string(document.Sections["value"]))
	a.requireDegraded(t, "read-only file system", "make "+dir+" writable for the agent")
	require.NoError(t, w.Start(t.Context()))
	a.set(2)
	require.ErrorIs(t, w.Sync(t.Context()), unix.EROFS)
	requireValue(t, dir, "1")
	remount(0, "size=1m")
	require.NoError(t, w.Sync(t.Context()))
	requireValue(t, dir, "2")
	a.requireOK(t)
	shutdown(t, w)
}

// A pattern of real life: many changes, then a restart, again and again.
func TestRestarts(t *testing.T) {
	dir := t.TempDir()
	for i := 1; i <= 20; i++ {
		a := newAgent()
		w := a.real(t, dir)
		document, err := w.Open(t.Context())
		if i > 1 {
			require.NoError(t, err)
			require.Equal(t, strconv.Itoa(i-1), string(document.Sections["value"]))
		}
		require.NoError(t, w.Start(t.Context()))
		a.set(i)
		w.Moved()
		shutdown(t, w)
	}
	require.Equal(t, []string{"lock", "state.json"}, names(t, dir))
}
