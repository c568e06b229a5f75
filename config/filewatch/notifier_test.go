package filewatch

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Neighbors that come, go and are written wake nobody.
func TestNeighborsDoNotMatter(t *testing.T) {
	dir := t.TempDir()
	told := make(chan struct{}, 1000)
	n, err := openNotifier(func() { told <- struct{}{} })
	require.NoError(t, err)
	defer n.close()
	added, err := n.watch(map[string]names{dir: {"wanted": true}})
	require.NoError(t, err)
	require.True(t, added)
	for i := range 300 {
		path := filepath.Join(dir, fmt.Sprint("neighbor", i))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		require.NoError(t, os.Remove(path))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "wanted"), 0o700)) // one event
	<-told
	require.Empty(t, told)
}

func TestWatchesAreGivenBack(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	n, err := openNotifier(func() {})
	require.NoError(t, err)
	defer n.close()
	all := map[string]names{dir: {"file": true}, dir + "/sub": {"x": true}, file: nil, dir + "/./": {"other": true}, dir + "/none": {"x": true}, file + "/none": {"x": true}}
	added, err := n.watch(all)
	require.NoError(t, err, "what is not there is no error")
	require.True(t, added)
	require.Len(t, n.wants, 3)
	added, err = n.watch(all)
	require.NoError(t, err)
	require.False(t, added)
	_, err = n.watch(map[string]names{dir: {"file": true}})
	require.NoError(t, err)
	require.Len(t, n.wants, 1)
	added, err = n.watch(all)
	require.NoError(t, err)
	require.True(t, added)
}

func TestWhichEventsMatter(t *testing.T) {
	n := &notifier{wants: map[int32]names{1: {"wanted": true}, 2: nil, 3: {"wanted": true}}}
	for _, tt := range []struct {
		event event
		want  bool
	}{
		{event{1, unix.IN_CREATE, "wanted"}, true},
		{event{1, unix.IN_CREATE, "neighbor"}, false},
		{event{1, unix.IN_MOVE_SELF, ""}, true},
		{event{2, unix.IN_MODIFY, ""}, true},
		{event{9, unix.IN_MODIFY, ""}, false},
		{event{-1, unix.IN_Q_OVERFLOW, ""}, true},
		{event{3, unix.IN_IGNORED, ""}, true},
		{event{3, unix.IN_IGNORED, ""}, false}, // known by now
	} {
		require.Equal(t, tt.want, n.matters(tt.event), "%+v", tt.event)
	}
}

// A directory that may not be read is polled.
func TestWithoutRights(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.Mkdir(dir, 0o311))
	n, err := openNotifier(func() {})
	require.NoError(t, err)
	defer n.close()
	_, err = n.watch(map[string]names{dir: {"file": true}})
	require.ErrorIs(t, err, unix.EACCES)
}

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
	w.open = func(func()) (*notifier, error) { return nil, unix.EMFILE }
	require.NoError(t, w.SetPaths([]string{filepath.Join(t.TempDir(), "file")}))
	require.InDelta(t, defaultPoll, w.look(), float64(defaultPoll/5))
	require.True(t, w.polling)
	w.open = works
	require.Zero(t, w.look())
	require.False(t, w.polling)
	w.closeNotifier()
}

func appendEvent(to []byte, e event, padding int) []byte {
	to = binary.NativeEndian.AppendUint32(to, uint32(e.watch))
	to = binary.NativeEndian.AppendUint32(to, e.mask)
	to = binary.NativeEndian.AppendUint32(to, 0)
	to = binary.NativeEndian.AppendUint32(to, uint32(len(e.name)+padding))
	return append(append(to, e.name...), make([]byte, padding)...)
}

func FuzzParseEvents(f *testing.F) {
	f.Add(appendEvent(appendEvent(nil, event{1, unix.IN_CREATE, "..data"}, 10), event{2, unix.IN_MODIFY, ""}, 0))
	f.Add(appendEvent(nil, event{-1, unix.IN_Q_OVERFLOW, ""}, 0)[:15])
	f.Fuzz(func(t *testing.T, text []byte) {
		var size int
		parseEvents(text, func(e event) { size += unix.SizeofInotifyEvent + len(e.name) })
		require.LessOrEqual(t, size, len(text))
	})
}

func TestParseEvents(t *testing.T) {
	want := []event{{1, unix.IN_CREATE, "..data"}, {2, unix.IN_MODIFY, ""}}
	text := appendEvent(appendEvent(nil, want[0], 10), want[1], 0)
	var got []event
	parseEvents(text, func(e event) { got = append(got, e) })
	require.Equal(t, want, got)
	got = nil
	parseEvents(text[:len(text)-1], func(e event) { got = append(got, e) })
	require.Equal(t, want[:1], got)
	got = nil
	parseEvents(text[:20], func(e event) { got = append(got, e) })
	require.Empty(t, got)
}
