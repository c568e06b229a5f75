package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// After a power loss the disk has less than had been read, and journald gives numbers a
// second time.
func TestNumbersThatAreGivenAnew(t *testing.T) {
	for name, c := range map[string]struct {
		rare    bool // only the first entry matches
		lost    int  // entries that were not on the disk
		written int  // in the next boot
		vanish  bool // the first boot's first file is vacuumed
	}{
		"fewer than were lost": {lost: 6, written: 3},
		"as many":              {lost: 6, written: 6},
		"more":                 {lost: 6, written: 20},
		"rare":                 {rare: true, lost: 6, written: 20},
		"none yet":             {lost: 6},
		"vacuumed":             {lost: 6, written: 20, vanish: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpread(t)
			var matches []string
			if c.rare {
				matches = []string{"RARE=yes"}
			}
			s.create("system.journal").Append(line(1, "RARE=yes"))
			s.write("system.journal", 9)
			s.archive("system.journal", "system@1.journal")
			s.write("system.journal", 10)
			onDisk, err := os.ReadFile(s.path("system.journal"))
			require.NoError(t, err)
			s.write("system.journal", c.lost)
			reader := s.open(matches...)
			messages(reader)
			kept := copyOf(t, reader.Position())
			require.NoError(t, reader.Close())

			require.NoError(t, os.Remove(s.path("system.journal")))
			require.NoError(t, os.WriteFile(s.path("system@2.journal~"), onDisk, 0o600))
			if c.vanish {
				require.NoError(t, os.Remove(s.path("system@1.journal")))
			}
			s.series.Last = 20
			w, want := s.create("system.journal"), []string{}
			for n := range c.written {
				entry := line(n+1, "RARE=yes")
				entry.Boot, entry.Realtime = journalfile.ID{2}, 500 // the clock is not set yet
				entry.Fields[0], entry.Fields[1] = fmt.Sprintf("MESSAGE=again %d", n), "_BOOT_ID="+entry.Boot.String()
				w.Append(entry)
				want = append(want, fmt.Sprintf("again %d", n))
			}
			next := s.open(matches...)
			require.Empty(t, next.Resume(kept))
			require.Equal(t, want, append([]string{}, messages(next)...))
			require.Empty(t, append([]string{}, messages(func() *journal.Reader {
				after := s.open(matches...)
				require.Empty(t, after.Resume(copyOf(t, next.Position())))
				return after
			}())...), "and they are not told again")
		})
	}
}

// TestPowerLoss has a journald find less on the disk than had been read.
func TestPowerLoss(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, os.MkdirAll(directory, 0o755))
	daemon := journaltest.StartJournald(t, directory)
	path := filepath.Join(directory, "system.journal")
	send := func(from, to int) {
		for n := from; n < to; n++ {
			daemon.Send(fmt.Sprintf("MESSAGE=line %d", n), "NUMBERED=yes", "RARE="+map[bool]string{true: "yes", false: "no"}[n == 0 || n > 30])
		}
	}
	options := journal.Options{Directories: []string{directory}, Matches: journalfile.Matches{"NUMBERED=yes"}}
	read := func(reader *journal.Reader, least int) (texts []string) {
		journaltest.Await(t, "the lines", func() bool {
			reader.Refresh()
			texts = append(texts, messages(reader)...)
			return len(texts) >= least
		})
		return texts
	}
	all := open(t, options)
	options.Matches = journalfile.Matches{"RARE=yes"}
	rare := open(t, options)
	send(0, 20)
	got := read(all, 20)
	onDisk, err := os.ReadFile(path)
	require.NoError(t, err)
	send(20, 30)
	got = append(got, read(all, 10)...)
	require.Equal(t, numbered(0, 30), got)
	require.Equal(t, numbered(0, 1), read(rare, 1))
	positions := []journal.Position{copyOf(t, all.Position()), copyOf(t, rare.Position())}
	daemon.Kill()
	require.NoError(t, os.WriteFile(path, onDisk, 0o600))

	daemon = journaltest.StartJournald(t, directory)
	send(31, 60)
	for _, p := range positions {
		next := open(t, options)
		require.Empty(t, next.Resume(p))
		require.Equal(t, numbered(31, 60), read(next, 29))
	}
}
