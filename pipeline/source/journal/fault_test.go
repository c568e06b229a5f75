package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

func TestUnreadableFilesAreFaults(t *testing.T) {
	directory := t.TempDir()
	w := journaltest.Create(t, filepath.Join(directory, "a.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	w.Append(line(1))
	text, err := os.ReadFile(filepath.Join(directory, "a.journal"))
	require.NoError(t, err)
	text[12] |= 0x20
	require.NoError(t, os.WriteFile(filepath.Join(directory, "newer.journal"), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "new.journal"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "junk.journal"), make([]byte, 10_000), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "text.journal"), []byte(strings.Repeat("text", 1000)), 0o600))
	reader := open(t, journal.Options{Directories: []string{directory}})
	faults := reader.Faults()
	require.Len(t, faults, 2)
	unsupported := (*journalfile.UnsupportedError)(nil)
	require.ErrorAs(t, &faults[0], &unsupported)
	require.Equal(t, uint32(0x20), unsupported.Flags)
	require.ErrorContains(t, faults[0].Err, "newer.journal: the journal file has features that this version does not know (incompatible flags 0x20)")
	require.ErrorContains(t, faults[1].Err, `begins with "texttext" and is no journal file`)
	require.Equal(t, numbered(1, 2), messages(reader), "the others are read")
}

// What is left out is told: another machine's journal, or all of the next directory.
func TestTooManyDirectoriesAreAFault(t *testing.T) {
	directory := t.TempDir()
	for range 256 {
		require.NoError(t, os.Mkdir(filepath.Join(directory, journaltest.NewID().String()), 0o700))
	}
	reader := open(t, journal.Options{Directories: []string{directory}})
	require.Len(t, reader.Faults(), 1)
	require.ErrorContains(t, reader.Faults()[0].Err, "256 journal directories are read, and no more can be")
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(directory, entries[0].Name())))
	reader.Refresh()
	require.Empty(t, reader.Faults())
}

// TestVacuumedBeforeItWasRead: journald empties a file when it deletes it, whoever has it
// open.
func TestVacuumedBeforeItWasRead(t *testing.T) {
	for name, looked := range map[string]bool{"behind the reader's back": false, "seen by it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			series := &journaltest.Series{ID: journaltest.NewID()}
			path := filepath.Join(directory, "system.journal")
			w := journaltest.Create(t, path, journaltest.Layout{}, series)
			for n := range 10 {
				w.Append(line(n))
			}
			reader := open(t, journal.Options{Directories: []string{directory}})
			require.Equal(t, numbered(0, 10), messages(reader))
			for n := 10; n < 15; n++ {
				w.Append(line(n))
			}
			w.SetState(2)
			archived := filepath.Join(directory, "system@1.journal")
			require.NoError(t, os.Rename(path, archived))
			w = journaltest.Create(t, path, journaltest.Layout{}, series)
			w.Append(line(15))
			if looked {
				reader.Refresh()
			}
			require.NoError(t, os.Truncate(archived, 0))
			require.NoError(t, os.Remove(archived))
			var got []string
			for range 3 {
				got = append(got, messages(reader)...)
				reader.Refresh()
			}
			if looked { // it is small, and in memory
				require.Empty(t, reader.TakeGaps())
				require.Equal(t, numbered(10, 16), got)
				return
			}
			require.Equal(t, []journal.Gap{{Series: series.ID, First: 11, Last: 15, Missing: 5}}, reader.TakeGaps())
			require.Empty(t, reader.TakeGaps(), "once")
			require.Equal(t, numbered(15, 16), got)
		})
	}
}

// TestFilesThatCannotBeReadHoldUpTheOthers for a while: then they are opened anew.
func TestFilesThatCannotBeReadHoldUpTheOthers(t *testing.T) {
	directory := t.TempDir()
	series := &journaltest.Series{ID: journaltest.NewID()}
	w := journaltest.Create(t, filepath.Join(directory, "system.journal"), journaltest.Layout{}, series)
	w.Append(line(0))
	reader := open(t, journal.Options{Directories: []string{directory}})
	require.Equal(t, numbered(0, 1), messages(reader))
	reader.BreakFiles()
	w.Append(line(1))
	user := journaltest.Create(t, filepath.Join(directory, "user-1.journal"), journaltest.Layout{}, series)
	user.Append(line(2))
	var got []string
	for round := range 8 {
		reader.Refresh()
		got = append(got, messages(reader)...)
		if round == 0 {
			require.Empty(t, got, "nothing is told out of order")
			require.Equal(t, map[string]uint64{series.ID.String(): 1}, reader.Position().Told)
			require.ErrorIs(t, reader.Faults()[0].Err, os.ErrClosed)
		}
	}
	require.Equal(t, numbered(1, 3), got)
	require.Empty(t, reader.Faults())
	require.Empty(t, reader.TakeGaps())
}
