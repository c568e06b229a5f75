package journal_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// TestResumeAfterEveryEntry stops behind each entry and goes on with another reader.
func TestResumeAfterEveryEntry(t *testing.T) {
	directory := t.TempDir()
	machine(t, directory, journaltest.Layout{Keyed: true}, journaltest.Random(5, 150))
	options := journal.Options{Directories: []string{directory}, Matches: journalfile.Matches{"_TRANSPORT=kernel", "_TRANSPORT=stdout"}}
	reader := open(t, options)
	want := readAll(t, reader.Next)
	require.NotEmpty(t, want)
	for n := range want {
		one := open(t, options)
		var e journal.Entry
		for range n + 1 {
			require.True(t, one.Next(&e))
		}
		text, err := json.Marshal(one.Position())
		require.NoError(t, err)
		var p journal.Position
		require.NoError(t, json.Unmarshal(text, &p))
		other := open(t, options)
		require.Empty(t, other.Resume(p))
		require.Equal(t, append([]journaltest.Exported(nil), want[n+1:]...), readAll(t, other.Next))
		keeping := open(t, options)
		require.Empty(t, keeping.Resume(p))
		require.True(t, keeping.Previous(&e))
		require.Equal(t, want[n], exported(&e), "the entry before the position")
	}
}

func TestResumeWhereTheEntryIsGone(t *testing.T) {
	directory := t.TempDir()
	series := &journaltest.Series{ID: journaltest.NewID()}
	for n := range 30 {
		if n%10 == 0 {
			name := filepath.Join(directory, fmt.Sprintf("%d.journal", n/10))
			w := journaltest.Create(t, name, journaltest.Layout{}, series)
			for i := range 10 {
				w.Append(line(n+i, "PARITY="+[]string{"even", "odd"}[i%2]))
			}
			w.SetState(2)
		}
	}
	cursor := func(n int) journal.Cursor {
		return journal.Cursor{SeqnumID: series.ID, Seqnum: uint64(n + 1), BootID: journalfile.ID{1}, Monotonic: uint64(n), Realtime: 1_000_000 + uint64(n)}
	}
	require.NoError(t, os.Remove(filepath.Join(directory, "0.journal")))
	for name, c := range map[string]struct {
		position journal.Position
		gap      []journal.Gap
		first    int
	}{
		"there":                         {journal.Position{Cursor: cursor(14)}, nil, 15},
		"vacuumed":                      {journal.Position{Cursor: cursor(4)}, []journal.Gap{{Series: series.ID, First: 6, Last: 10, Missing: 5}}, 10},
		"vacuumed, but nothing behind":  {journal.Position{Cursor: cursor(9)}, nil, 10},
		"told beyond the cursor's":      {journal.Position{Cursor: cursor(4), Told: map[string]uint64{series.ID.String(): 10}}, nil, 10},
		"another series, the same boot": {journal.Position{Cursor: other(cursor(17))}, []journal.Gap{{Series: journalfile.ID{0xee}, First: 19}}, 18},
		"another series and boot": {journal.Position{Cursor: func() journal.Cursor {
			c := other(cursor(21))
			c.BootID = journalfile.ID{9}
			return c
		}()}, []journal.Gap{{Series: journalfile.ID{0xee}, First: 23}}, 22},
	} {
		t.Run(name, func(t *testing.T) {
			reader := open(t, journal.Options{Directories: []string{directory}})
			require.Equal(t, c.gap, reader.Resume(c.position))
			require.Equal(t, numbered(c.first, 30), messages(reader))
		})
	}
}

// other is the same place in another series.
func other(c journal.Cursor) journal.Cursor {
	c.SeqnumID = journalfile.ID{0xee}
	return c
}

// TestPositionIsAheadOfRareMatches reads a journal of which little matches: the
// position moves with what does not, so that its removal is no gap.
func TestPositionIsAheadOfRareMatches(t *testing.T) {
	directory := t.TempDir()
	series := &journaltest.Series{ID: journaltest.NewID()}
	for file := range 3 {
		w := journaltest.Create(t, filepath.Join(directory, fmt.Sprintf("%d.journal", file)), journaltest.Layout{}, series)
		for i := range 10 {
			more := []string{}
			if file == 0 && i == 3 {
				more = []string{"RARE=yes"}
			}
			w.Append(line(file*10+i, more...))
		}
		w.SetState(2)
	}
	options := journal.Options{Directories: []string{directory}, Matches: journalfile.Matches{"RARE=yes"}, Keep: true}
	reader := open(t, options)
	require.Equal(t, numbered(3, 4), messages(reader))
	p := reader.Position()
	require.Equal(t, map[string]uint64{series.ID.String(): 29}, p.Told)
	require.Equal(t, uint64(4), p.Cursor.Seqnum)
	require.NoError(t, os.Remove(filepath.Join(directory, "0.journal")))
	require.NoError(t, os.Remove(filepath.Join(directory, "1.journal")))
	require.Empty(t, open(t, options).Resume(p))
}

func TestSeekTailTellsWhatComesLater(t *testing.T) {
	directory := t.TempDir()
	series := &journaltest.Series{ID: journaltest.NewID()}
	w := journaltest.Create(t, filepath.Join(directory, "system.journal"), journaltest.Layout{}, series)
	w.Append(line(1))
	reader := open(t, journal.Options{Directories: []string{directory}, Matches: journalfile.Matches{"A=1"}})
	reader.SeekTail()
	require.Equal(t, uint64(1), reader.Position().Cursor.Seqnum, "known before anything is read")
	require.Empty(t, messages(reader))
	w.Append(line(2, "A=1"))
	w.SetState(2)
	require.NoError(t, os.Rename(filepath.Join(directory, "system.journal"), filepath.Join(directory, "system@1.journal")))
	w = journaltest.Create(t, filepath.Join(directory, "system.journal"), journaltest.Layout{}, series)
	w.Append(line(3, "A=1")) // its wall time is long ago
	reader.Refresh()
	require.Equal(t, numbered(2, 4), messages(reader))
	elsewhere := journaltest.Create(t, filepath.Join(directory, "remote.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	old, now := line(7, "A=1"), line(8, "A=1")
	now.Realtime = uint64(time.Now().Add(time.Minute).UnixMicro())
	elsewhere.Append(old)
	elsewhere.Append(now)
	reader.Refresh()
	require.Equal(t, numbered(8, 9), messages(reader), "of a series that is new, what is later by the clock")
}

func TestSeekBoot(t *testing.T) {
	directory := t.TempDir()
	entries := journaltest.Random(2, 100)
	machine(t, directory, journaltest.Layout{Keyed: true, Compact: true}, entries)
	reader := open(t, journal.Options{Directories: []string{directory}, Keep: true})
	require.True(t, reader.SeekBoot(entries[99].Boot))
	got := readAll(t, reader.Next)
	require.Len(t, got, 50)
	require.Equal(t, entries[50].Realtime, got[0].Realtime)
	require.False(t, reader.SeekBoot(journalfile.ID{0xaa}))
	require.Empty(t, readAll(t, reader.Next))
}

// A header that is damaged and promises numbers that nobody has given does not make a
// reader pass over all that comes.
func TestPositionBehindADamagedHeader(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 3)
	text, err := os.ReadFile(s.path("system.journal"))
	require.NoError(t, err)
	binary.LittleEndian.PutUint64(text[160:], 1<<60)
	require.NoError(t, os.WriteFile(s.path("system.journal"), text, 0o600))
	reader := s.open()
	require.Equal(t, numbered(1, 4), messages(reader))
	kept := copyOf(t, reader.Position())
	require.Equal(t, uint64(3), kept.Told[s.series.ID.String()])
	s.archive("system.journal", "system@1.journal")
	s.write("system.journal", 2)
	next := s.open()
	require.Empty(t, next.Resume(kept), "nor does it tell of a loss")
	require.Equal(t, numbered(4, 6), messages(next))
}
