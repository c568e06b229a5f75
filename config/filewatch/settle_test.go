package filewatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/config/filewatch"
)

// poll is how often the blind watcher looks, in the time of the tests, which
// takes none.
const poll = 100 * time.Millisecond

// onPoll runs a test on a watcher that polls, and on a clock that waits for
// nobody.
func onPoll(t *testing.T, test func(w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{t: t}
		w.Watcher = filewatch.NewBlind(filewatch.Options{
			Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Poll: poll,
		}, errors.New("no inotify here"))
		w.Start()
		test(w)
		require.NoError(t, w.Shutdown(context.Background()))
	})
}

// reports counts what is told within a time.
func (w *watched) reports(within time.Duration) (count int, last time.Time) {
	end := time.After(within)
	for {
		select {
		case <-w.Changes():
			count, last = count+1, time.Now()
		case <-end:
			return count, last
		}
	}
}

func (w *watched) requireReports(want int, why string) {
	w.t.Helper()
	count, _ := w.reports(time.Minute)
	require.Equal(w.t, want, count, why)
}

func TestHalfWrittenFileIsNotTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "otelnpd.yaml")
	write(t, file, "0")
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{file}))
		for i := range 20 {
			write(t, file, strings.Repeat("x", i+1))
			count, _ := w.reports(300 * time.Millisecond)
			require.Zero(t, count, "after write %d", i)
		}
		written := time.Now().Add(-300 * time.Millisecond)
		count, at := w.reports(time.Minute)
		require.Equal(t, 1, count)
		require.GreaterOrEqual(t, at.Sub(written), time.Second)
		require.LessOrEqual(t, at.Sub(written), time.Second+2*poll)
	})
}

func TestOnlyContentCounts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "otelnpd.yaml")
	write(t, file, "1")
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{file}))
		require.NoError(t, os.Chtimes(file, time.Now(), time.Now()))
		w.requireReports(0, "touched")
		write(t, file, "1")
		w.requireReports(0, "written as it was")
		write(t, dir+"/new", "1")
		rename(t, dir+"/new", file)
		w.requireReports(0, "replaced by its like")
		write(t, file, "2")
		count, _ := w.reports(500 * time.Millisecond)
		require.Zero(t, count)
		write(t, file, "1")
		w.requireReports(0, "as it was before it had stood")
		write(t, file, "2")
		w.requireReports(1, "another content")
		write(t, file, "1")
		w.requireReports(1, "and back after it had stood")
		require.NoError(t, os.Truncate(file, 0))
		w.requireReports(1, "nothing is a content too")
	})
}

func TestFileThatIsGone(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "otelnpd.yaml"), filepath.Join(dir, "pack.yaml")
	write(t, file, "1")
	write(t, other, "1")
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{file, other}))
		for i := range 2 {
			require.NoError(t, os.Remove(file))
			w.requireReports(0, "gone")
			require.Equal(t, i+1, strings.Count(w.log.String(), "is gone"), "told once each time")
			write(t, file, "1")
			w.requireReports(0, "back as it was")
		}
		require.NoError(t, os.Remove(file))
		w.requireReports(0, "gone")
		write(t, other, "2")
		w.requireReports(1, "the others are told")
		write(t, file, "2")
		w.requireReports(1, "back with another content")
	})
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "otelnpd.yaml")
	write(t, file, "1")
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{file, dir, filepath.Join(file, "below"), "/dev/null"}))
		require.NoError(t, os.Remove(file))
		require.NoError(t, unix.Mkfifo(file, 0o600)) // to open it would take for ever
		w.requireReports(0, "a FIFO")
		require.NoError(t, os.Remove(file))
		require.NoError(t, os.Mkdir(file, 0o700))
		w.requireReports(0, "a directory")
		require.NoError(t, os.Remove(file))
		write(t, file, "2")
		w.requireReports(1, "a file again")
	})
}

func TestHugeFileIsComparedBySize(t *testing.T) {
	file := filepath.Join(t.TempDir(), "otelnpd.yaml")
	write(t, file, "1")
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{file}))
		for _, size := range []int64{1 << 20, 1<<20 + 1, 1<<20 + 2, 1 << 40} {
			require.NoError(t, os.Truncate(file, size)) // sparse
			w.requireReports(1, strconv.FormatInt(size, 10))
		}
	})
}

func TestSwitchOfKubernetesOnPoll(t *testing.T) {
	mount := configMap{t.TempDir()}
	one, two := filepath.Join(mount.dir, "one"), filepath.Join(mount.dir, "two")
	mount.write(t, map[string]string{"one": "1", "two": "1"})
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{one, two}))
		began := time.Now()
		mount.write(t, map[string]string{"one": "2", "two": "1"})
		count, at := w.reports(time.Minute)
		require.Equal(t, 1, count)
		require.LessOrEqual(t, at.Sub(began), 2*poll)
		mount.write(t, map[string]string{"one": "2", "two": "1"})
		w.requireReports(0, "a switch that changes nothing")
		began = time.Now()
		require.NoError(t, os.Remove(one))
		write(t, one, "3") // no longer by the mount
		_, at = w.reports(time.Minute)
		require.GreaterOrEqual(t, at.Sub(began), time.Second, "this is no switch")
	})
}

func TestPollingIsToldOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "otelnpd.yaml")
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{file}))
		w.requireReports(0, "nothing there")
		require.Equal(t, 1, strings.Count(w.log.String(), "\n"), w.log.String())
		require.Contains(t, w.log.String(), `every=100ms reason="no inotify here"`)
	})
}

func TestChangesThatNobodyTookAreOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "otelnpd.yaml")
	onPoll(t, func(w *watched) {
		t := w.t
		require.NoError(t, w.SetPaths([]string{file}))
		for i := range 5 {
			write(t, file, strconv.Itoa(i))
			time.Sleep(time.Minute)
		}
		w.requireReports(1, "five that nobody took")
	})
}

func TestSetPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	onPoll(t, func(w *watched) {
		t := w.t
		write(t, "old", "1")
		write(t, "new", "1")
		require.NoError(t, w.SetPaths([]string{"old"}))
		write(t, "old", "2")
		write(t, "new", "2")
		require.NoError(t, w.SetPaths([]string{"./old", "new"}))
		w.requireReports(0, "what a new path shows is known; ./old is another name")
		require.NoError(t, w.SetPaths([]string{"new"}))
		write(t, "new", "3")
		require.NoError(t, w.SetPaths([]string{"new", "old"}))
		w.requireReports(1, "one that stays is watched without a gap")
		require.NoError(t, w.SetPaths(nil))
		write(t, "new", "4")
		w.requireReports(0, "not watched any more")
	})
}

func TestPathsAreBounded(t *testing.T) {
	w := filewatch.New(filewatch.Options{Logger: slog.New(slog.DiscardHandler)})
	var paths []string
	for i := range filewatch.MaxPaths + 2 {
		paths = append(paths, fmt.Sprintf("/does/not/exist/%d", i))
	}
	err := w.SetPaths(paths)
	require.ErrorContains(t, err, "watch /does/not/exist/256: 256 files are watched already")
	require.ErrorContains(t, err, "watch /does/not/exist/257")
	require.NotContains(t, err.Error(), "/255")
}
