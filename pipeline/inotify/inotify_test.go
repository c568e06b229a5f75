package inotify

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Neighbors that come, go and are written wake nobody.
func TestNeighborsDoNotMatter(t *testing.T) {
	dir := t.TempDir()
	told := make(chan struct{}, 1000)
	n, err := Open(func() { told <- struct{}{} })
	require.NoError(t, err)
	defer n.Close()
	added, err := n.Watch(map[string]Names{dir: {"wanted": true}})
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
	n, err := Open(func() {})
	require.NoError(t, err)
	defer n.Close()
	all := map[string]Names{dir: {"file": true}, dir + "/sub": {"x": true}, file: nil, dir + "/./": {"other": true}, dir + "/none": {"x": true}, file + "/none": {"x": true}}
	added, err := n.Watch(all)
	require.NoError(t, err, "what is not there is no error")
	require.True(t, added)
	require.Len(t, n.wants, 3)
	added, err = n.Watch(all)
	require.NoError(t, err)
	require.False(t, added)
	_, err = n.Watch(map[string]Names{dir: {"file": true}})
	require.NoError(t, err)
	require.Len(t, n.wants, 1)
	added, err = n.Watch(all)
	require.NoError(t, err)
	require.True(t, added)
}

func TestWhichEventsMatter(t *testing.T) {
	n := &Notifier{wants: map[int32]Names{1: {"wanted": true}, 2: nil, 3: {"wanted": true}, 4: {EveryName: true}}}
	for _, tt := range []struct {
		event event
		want  bool
	}{
		{event{1, unix.IN_CREATE, "wanted"}, true},
		{event{1, unix.IN_CREATE, "neighbor"}, false},
		{event{4, unix.IN_CREATE, "neighbor"}, true},
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
	n, err := Open(func() {})
	require.NoError(t, err)
	defer n.Close()
	_, err = n.Watch(map[string]Names{dir: {"file": true}})
	require.ErrorIs(t, err, unix.EACCES)
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
