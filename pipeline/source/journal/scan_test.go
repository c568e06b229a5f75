package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// opened tells how often a file has been opened since: opening a FIFO wakes who waits at
// its other end, opening a device may do anything.
func opened(t *testing.T, path string) (count func() int) {
	t.Helper()
	queue, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(queue) })
	_, err = unix.InotifyAddWatch(queue, path, unix.IN_OPEN)
	require.NoError(t, err)
	return func() int {
		var text [4096]byte
		n, err := unix.Read(queue, text[:])
		if n <= 0 {
			require.ErrorIs(t, err, unix.EAGAIN)
		}
		return max(n, 0) / unix.SizeofInotifyEvent
	}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	directory := t.TempDir()
	w := journaltest.Create(t, filepath.Join(directory, "system.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	w.Append(line(1))
	fifo, elsewhere := filepath.Join(directory, "fifo.journal"), filepath.Join(t.TempDir(), "fifo")
	for _, path := range []string{fifo, elsewhere} {
		require.NoError(t, unix.Mkfifo(path, 0o600))
	}
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(directory, "link.journal")))
	require.NoError(t, os.Mkdir(filepath.Join(directory, "folder.journal"), 0o755))
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(socket)
	require.NoError(t, unix.Bind(socket, &unix.SockaddrUnix{Name: filepath.Join(directory, "socket.journal")}))
	first, second := opened(t, fifo), opened(t, elsewhere)
	reader := open(t, journal.Options{Directories: []string{directory}})
	for range 3 {
		reader.Refresh()
	}
	require.Equal(t, numbered(1, 2), messages(reader))
	require.Zero(t, first())
	require.Zero(t, second())
	require.Len(t, reader.Faults(), 1, "as systemd, which passes over all but the link")
	require.ErrorContains(t, reader.Faults()[0].Err, "link.journal: it is no regular file")
}

// TestLinks follows links to directories and files, as sd-journal does.
func TestLinks(t *testing.T) {
	root := t.TempDir()
	directory, real := filepath.Join(root, "log"), filepath.Join(root, "data")
	require.NoError(t, os.Mkdir(directory, 0o755))
	link := filepath.Join(directory, journaltest.MachineID.String())
	require.NoError(t, os.Symlink("../data", link))
	require.NoError(t, os.Symlink("/nowhere", filepath.Join(directory, "not-an-id")))
	reader := open(t, journal.Options{Directories: []string{directory}, MachineID: journaltest.MachineID})
	require.Len(t, reader.Faults(), 1)
	require.EqualError(t, reader.Faults()[0].Err, "the journal directory "+link+" is a link to ../data, which is not there: in a container mount that, too")

	series := &journaltest.Series{ID: journaltest.NewID()}
	require.NoError(t, os.Mkdir(real, 0o755))
	journaltest.Create(t, filepath.Join(real, "system.journal"), journaltest.Layout{}, series).Append(line(1))
	long := time.Unix(1_000_000_000, 0)
	require.NoError(t, os.Chtimes(real, long, long))
	reader.Refresh()
	require.Empty(t, reader.Faults())
	require.Equal(t, numbered(1, 2), messages(reader))

	other := filepath.Join(root, "other") // the link is changed to lead elsewhere
	require.NoError(t, os.Mkdir(other, 0o755))
	journaltest.Create(t, filepath.Join(other, "user-1.journal"), journaltest.Layout{}, series).Append(line(2))
	require.NoError(t, os.Chtimes(other, long, long))
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(other, link))
	reader.Refresh()
	require.Equal(t, numbered(2, 3), messages(reader))
	require.NoError(t, os.Symlink(filepath.Join(other, "user-1.journal"), filepath.Join(directory, "again.journal")))
	require.NoError(t, os.Symlink(directory, filepath.Join(directory, journaltest.NewID().String()))) // a loop
	everybody := open(t, journal.Options{Directories: []string{directory}})
	for range 2 {
		reader.Refresh()
		everybody.Refresh()
	}
	require.Empty(t, messages(reader))
	require.Equal(t, numbered(2, 3), messages(everybody), "once, on whatever way")
	require.Empty(t, everybody.Faults())
}

// manyFiles are archived files of two entries each, the newest last.
func manyFiles(t *testing.T, count int) *spread {
	t.Helper()
	s := newSpread(t)
	for n := range count {
		s.write("system.journal", 2)
		name := fmt.Sprintf("system@%d.journal", (n*7)%count) // names say nothing
		s.archive("system.journal", name)
		at := time.Unix(1_000_000+int64(n), 0)
		require.NoError(t, os.Chtimes(s.path(name), at, at))
	}
	s.write("system.journal", 1)
	return s
}

// More files than can be open: the newest are read, in order; what is left out is told
// and counted.
func TestMoreFilesThanCanBeOpen(t *testing.T) {
	s := manyFiles(t, 40) // entries 1 to 80, and 81
	reader := open(t, journal.Options{Directories: []string{s.directory}, MaxFiles: 10})
	require.Equal(t, 10, reader.Files())
	require.Len(t, reader.Faults(), 1)
	require.ErrorContains(t, reader.Faults()[0].Err, "10 journal files are open, and no more can be: 31 older ones are left out")
	require.Equal(t, numbered(63, 82), messages(reader))
	for round := range 5 {
		s.write("system.journal", 1)
		if round == 2 {
			s.archive("system.journal", "system@late.journal")
			s.write("system.journal", 1)
		}
		reader.Refresh()
		require.LessOrEqual(t, reader.Files(), 10)
		require.NotEmpty(t, messages(reader))
	}
	require.Empty(t, reader.Faults(), "all have been looked at")
	require.Equal(t, uint64(62), reader.Stats().Late)
	require.Equal(t, 1, reader.Files())
}

// Who goes on from a position need not have had the older files open.
func TestMoreFilesThanCanBeOpenAtAPosition(t *testing.T) {
	s := manyFiles(t, 40)
	at := func(n uint64) journal.Position {
		whole := open(t, journal.Options{Directories: []string{s.directory}})
		var e journal.Entry
		for e.Seqnum < n {
			require.True(t, whole.Next(&e))
		}
		return whole.Position()
	}
	for from, want := range map[uint64][]journal.Gap{70: nil, 62: nil, 60: {s.gap(61, 62, 2)}} {
		reader := open(t, journal.Options{Directories: []string{s.directory}, MaxFiles: 10})
		require.Equal(t, want, reader.Resume(at(from)))
		require.Equal(t, numbered(max(int(from)+1, 63), 82), messages(reader))
		for range 5 {
			reader.Refresh()
			require.Empty(t, messages(reader))
		}
		require.Empty(t, reader.Faults())
		require.Zero(t, reader.Stats().Late, "it is in the gap")
	}
}
