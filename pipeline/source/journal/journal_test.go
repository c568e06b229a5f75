package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, options journal.Options) *journal.Reader {
	t.Helper()
	reader, err := journal.Open(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reader.Close()) })
	return reader
}

// exported is an entry in journalctl's form.
func exported(e *journal.Entry) journaltest.Exported {
	x := journaltest.Exported{
		Cursor: journal.CursorOf(e).String(), Realtime: e.Realtime, Monotonic: e.Monotonic, Boot: e.BootID.String(),
	}
	for name, value := range e.All() {
		if string(name) != "_BOOT_ID" {
			x.Fields = append(x.Fields, string(name)+"="+string(value))
		}
	}
	return x
}

func readAll(t testing.TB, step func(*journal.Entry) bool) (entries []journaltest.Exported) {
	t.Helper()
	var e journal.Entry
	for step(&e) {
		entries = append(entries, exported(&e))
		require.Less(t, len(entries), 100_000, "no end")
	}
	return entries
}

// machine writes entries as one journald does: into several files of one series, those
// of users apart, and begins new ones now and then.
func machine(t testing.TB, directory string, layout journaltest.Layout, entries []journaltest.Entry) *journaltest.Series {
	t.Helper()
	require.NoError(t, os.MkdirAll(directory, 0o755))
	series := &journaltest.Series{ID: journaltest.NewID()}
	create := func(name string) *journaltest.Writer {
		return journaltest.Create(t, filepath.Join(directory, name), layout, series)
	}
	system, user := create("system.journal"), create("user-1000.journal")
	for i, entry := range entries {
		if i%97 == 96 {
			system.SetState(2)
			archived := fmt.Sprintf("system@%s-%016x-%016x.journal", series.ID, i, entry.Realtime)
			require.NoError(t, os.Rename(filepath.Join(directory, "system.journal"), filepath.Join(directory, archived)))
			system = create("system.journal")
		}
		if i%5 == 2 {
			user.Append(entry)
		} else {
			system.Append(entry)
		}
	}
	system.SetState(0)
	user.SetState(0)
	return series
}

// severalMachines is a directory with the files of two machines, one of them in a
// directory of its own, of a third in remote files, and copies.
func severalMachines(t testing.TB) (directory string, entries []journaltest.Entry) {
	t.Helper()
	directory = t.TempDir()
	entries = journaltest.Random(11, 700)
	var parts [3][]journaltest.Entry
	for i, entry := range entries {
		entry.Boot[5] = byte(i % 3) // boots of their own
		parts[i%3] = append(parts[i%3], entry)
	}
	id := journaltest.MachineID.String()
	machine(t, directory, journaltest.Layout{Keyed: true, Compression: "zstd"}, parts[0])
	machine(t, filepath.Join(directory, id), journaltest.Layout{Compact: true, Keyed: true}, parts[1])
	journaltest.WriteRemote(t, filepath.Join(directory, "remote-a.journal"), journaltest.Layout{}, parts[2])
	text, err := os.ReadFile(filepath.Join(directory, "user-1000.journal"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(directory, "copy.journal~"), text, 0o600))
	return directory, entries
}

func TestSameAsJournalctl(t *testing.T) {
	journaltest.Need(t, "journalctl")
	directory, entries := severalMachines(t)
	someCursor := ""
	for n, c := range []struct {
		name     string
		args     []string
		matches  journalfile.Matches
		backward bool
		seek     func(t *testing.T, r *journal.Reader)
	}{
		{name: "all"},
		{name: "all, backward", backward: true},
		{name: "matches", matches: journalfile.Matches{"_TRANSPORT=kernel", "_TRANSPORT=syslog", "PRIORITY=3"}},
		{name: "matches, backward", matches: journalfile.Matches{"SYSLOG_IDENTIFIER=unit-1", "SYSLOG_IDENTIFIER=unit-6"}, backward: true},
		{name: "from a time on", args: []string{sinceArg(entries[300].Realtime)}, seek: func(_ *testing.T, r *journal.Reader) {
			r.SeekRealtime(timeOf(entries[300].Realtime))
		}},
		{name: "from a time on that nobody has", matches: journalfile.Matches{"PRIORITY=1"}, args: []string{sinceArg(entries[500].Realtime + 1)}, seek: func(_ *testing.T, r *journal.Reader) {
			r.SeekRealtime(timeOf(entries[500].Realtime + 1))
		}},
		{name: "behind a cursor", args: []string{"--after-cursor"}, seek: func(t *testing.T, r *journal.Reader) {
			t.Helper()
			c, err := journal.ParseCursor(someCursor)
			require.NoError(t, err)
			require.Empty(t, r.Resume(journal.Position{Cursor: c}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-D", directory, "--merge", "-o", "export", "--all"}, c.matches...)
			for _, arg := range c.args {
				if arg == "--after-cursor" {
					arg += "=" + someCursor
				}
				args = append(args, arg)
			}
			if c.backward {
				args = append(args, "--reverse")
			}
			reader := open(t, journal.Options{Directories: []string{directory}, Matches: c.matches, MaxField: 1 << 20, Keep: true})
			require.Empty(t, reader.Faults())
			step := reader.Next
			if c.seek != nil {
				c.seek(t, reader)
			}
			if c.backward {
				reader.SeekTail()
				step = reader.Previous
			}
			want := journaltest.ParseExport(t, journaltest.Journalctl(t, args...))
			require.NotEmpty(t, want)
			if n == 0 {
				require.Len(t, want, len(entries))
				someCursor = want[321].Cursor
			}
			got := readAll(t, step)
			require.Equal(t, want, got)
			require.Zero(t, reader.Stats().Damaged)
			other := reader.Previous
			if c.backward {
				other = reader.Next
			}
			turned := readAll(t, other)
			slices.Reverse(turned)
			if len(want) > 1 && c.seek == nil {
				require.Equal(t, got[:len(got)-1], turned, "and back again")
			}
		})
	}
}
