package filewatch

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/inotify"
)

func TestFollowIsBounded(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	c := follow(filepath.Join(dir, "loop"))
	require.Empty(t, c.file)
	require.LessOrEqual(t, len(c.steps), maxLinks+20)

	require.NoError(t, os.Symlink("./bomb/bomb/bomb/bomb/bomb/bomb/bomb/bomb/bomb/bomb", filepath.Join(dir, "bomb")))
	require.LessOrEqual(t, len(follow(filepath.Join(dir, "bomb")).steps), maxSteps)
	require.Empty(t, follow("/").steps)
	require.Empty(t, muteFileSystem(follow("/")))
}

func TestJitter(t *testing.T) {
	for range 1000 {
		require.InDelta(t, 30*time.Second, jitter(30*time.Second), float64(6*time.Second))
	}
}

func TestNotifierIsTriedAgain(t *testing.T) {
	w := New(Options{Logger: slog.New(slog.DiscardHandler)})
	works := w.open
	w.open = func(func()) (*inotify.Notifier, error) { return nil, unix.EMFILE }
	require.NoError(t, w.SetPaths([]string{filepath.Join(t.TempDir(), "file")}))
	require.InDelta(t, defaultPoll, w.look(), float64(defaultPoll/5))
	require.True(t, w.polling)
	w.open = works
	require.Zero(t, w.look())
	require.False(t, w.polling)
	w.closeNotifier()
}
