package nodeconditions

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var someMark = mark{BootID: "5d2b3c1e-0000-4000-8000-00000000b007", Node: "node-1", NodeUID: "uid-1"}

func TestMarkerIsReadAsItWasWritten(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	m := newMarker(run)
	require.Equal(t, mark{}, m.read())
	require.NoError(t, m.write(someMark))
	require.Equal(t, someMark, newMarker(run).read())
	other := someMark
	other.NodeUID = "uid-2"
	require.NoError(t, m.write(other))
	require.Equal(t, other, m.read())

	text, err := os.ReadFile(filepath.Join(run, "otelnpd/reported-boot"))
	require.NoError(t, err)
	require.JSONEq(t, `{"boot_id":"5d2b3c1e-0000-4000-8000-00000000b007","node":"node-1","node_uid":"uid-2"}`, string(text))
	entries, err := os.ReadDir(filepath.Join(run, "otelnpd"))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing unfinished is left")
}

func TestMarkersThatCountForNothing(t *testing.T) {
	good, err := json.Marshal(someMark)
	require.NoError(t, err)
	for name, make := range map[string]func(t *testing.T, path string){
		"missing":   func(*testing.T, string) {},
		"empty":     writes(""),
		"cut":       writes(string(good[:len(good)-1])),
		"no object": writes(`["boot_id"]`),
		"trailing":  writes(string(good) + "{}"),
		"binary":    writes("\x00\xff\x7fELF"),
		"types":     writes(`{"boot_id":1,"node":"node-1","node_uid":"uid-1"}`),
		"huge":      writes(string(good) + strings.Repeat(" ", 1<<20)),
		"folder":    func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Mkdir(path, 0o750)) },
		"fifo":      func(t *testing.T, path string) { t.Helper(); require.NoError(t, unix.Mkfifo(path, 0o600)) },
		"link": func(t *testing.T, path string) {
			t.Helper()
			writes(string(good))(t, path+".other")
			require.NoError(t, os.Symlink(path+".other", path))
		},
		"device": func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Symlink("/dev/zero", path)) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarker(t.TempDir())
			require.NoError(t, os.Mkdir(filepath.Dir(m.path), 0o750))
			make(t, m.path)
			require.Equal(t, mark{}, m.read())
		})
	}
}

func writes(text string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
}

func TestWhatIsInTheWayOfAMarkerIsReplaced(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, path string){
		"file": writes("other"),
		"fifo": func(t *testing.T, path string) { t.Helper(); require.NoError(t, unix.Mkfifo(path, 0o600)) },
		"link": func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Symlink("/dev/full", path)) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarker(t.TempDir())
			require.NoError(t, os.Mkdir(filepath.Dir(m.path), 0o750))
			make(t, m.path)
			make(t, m.path+".new") // a crash left it
			require.NoError(t, m.write(someMark))
			require.Equal(t, someMark, m.read())
		})
	}
}

func TestMarkerThatCannotBeWrittenLeavesNoOlderOne(t *testing.T) {
	m := newMarker(t.TempDir())
	require.NoError(t, m.write(someMark))
	require.NoError(t, os.MkdirAll(m.path+".new/in/the/way", 0o750))
	require.EqualError(t, m.write(mark{BootID: "next"}), "write "+m.path+": remove "+m.path+".new: directory not empty")
	require.Equal(t, mark{}, m.read())

	m = newMarker(filepath.Join(m.path+".new/in/the/way", "file"))
	require.NoError(t, os.WriteFile(filepath.Dir(filepath.Dir(m.path)), nil, 0o600))
	require.ErrorContains(t, m.write(someMark), "not a directory")
}

func FuzzMarker(f *testing.F) {
	f.Add([]byte(`{"boot_id":"b","node":"n","node_uid":"u"}`))
	f.Add([]byte(`{"boot_id":{},"node":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := newMarker(t.TempDir())
		require.NoError(t, os.Mkdir(filepath.Dir(m.path), 0o750))
		require.NoError(t, os.WriteFile(m.path, text, 0o600))
		read := m.read()
		if read != (mark{}) {
			require.NoError(t, m.write(read))
			require.Equal(t, read, m.read())
		}
	})
}
