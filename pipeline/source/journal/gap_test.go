package journal_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// Of a user's file between those of the system some entries are there still.
func TestGapsBetweenTheEntriesOfAUser(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 5)
	s.write("user-7.journal", 1) // 6
	reader := s.open()
	require.Equal(t, numbered(1, 7), messages(reader))
	before := copyOf(t, reader.Position())
	s.write("system.journal", 4) // 7 to 10
	s.write("user-7.journal", 2) // 11 and 12
	s.write("system.journal", 3) // 13 to 15
	s.archive("system.journal", "system@1.journal")
	s.write("system.journal", 1) // 16
	s.erase("system@1.journal")
	reader.Refresh()
	require.Equal(t, []journal.Gap{s.gap(7, 15, 7)}, reader.TakeGaps())
	require.Equal(t, []string{"line 11", "line 12", "line 16"}, messages(reader))
	for range 3 {
		reader.Refresh()
		require.Empty(t, reader.TakeGaps(), "once")
	}
	text, err := os.ReadFile(s.path("user-7.journal"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path("copy.journal~"), text, 0o600)) // stands for no other entries
	other := s.open()
	require.Equal(t, []journal.Gap{s.gap(7, 15, 7)}, other.Resume(before), "the same by its numbers")
	require.Equal(t, []string{"line 11", "line 12", "line 16"}, messages(other))
	last := s.open()
	require.Empty(t, last.Resume(copyOf(t, reader.Position())))
}

// What is gone ahead of the reader is told once, however often more is gone before it comes
// there.
func TestGapsAheadAreToldOnce(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 10)
	s.archive("system.journal", "system@1.journal")
	s.write("system.journal", 3) // 11 to 13
	s.write("user-7.journal", 2)
	s.write("system.journal", 3) // 16 to 18
	s.archive("system.journal", "system@2.journal")
	for i := 3; i < 6; i++ { // 19 to 27
		s.write("system.journal", 3)
		s.archive("system.journal", fmt.Sprintf("system@%d.journal", i))
	}
	s.write("system.journal", 2)
	reader := s.open()
	var e journal.Entry
	require.True(t, reader.Next(&e))
	var gaps []journal.Gap
	for _, i := range []int{2, 3, 4, 5, 1} {
		s.erase(fmt.Sprintf("system@%d.journal", i))
		reader.Refresh()
		gaps = append(gaps, reader.TakeGaps()...)
	}
	require.Equal(t, []journal.Gap{s.gap(11, 18, 6), s.gap(19, 21, 3), s.gap(22, 24, 3), s.gap(25, 27, 3), s.gap(2, 10, 9)}, gaps)
	require.Equal(t, []string{"line 14", "line 15", "line 28", "line 29"}, messages(reader))
	reader.Refresh()
	require.Empty(t, reader.TakeGaps())
}

// A gap with many entries in it is told once too, though not all of it is known by its
// numbers.
func TestGapsOfManyPartsAreToldOnce(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 1)
	s.archive("system.journal", "system@1.journal")
	for range 40 { // from 2 on the even ones, the odd ones are the user's
		s.write("system.journal", 1)
		s.write("user-7.journal", 1)
	}
	s.archive("system.journal", "system@2.journal")
	for i := 3; i < 6; i++ { // 82 to 84
		s.write("system.journal", 1)
		s.archive("system.journal", fmt.Sprintf("system@%d.journal", i))
	}
	s.write("system.journal", 2)
	reader := s.open()
	var e journal.Entry
	require.True(t, reader.Next(&e))
	var gaps []journal.Gap
	for i := 2; i < 6; i++ {
		s.erase(fmt.Sprintf("system@%d.journal", i))
		reader.Refresh()
		gaps = append(gaps, reader.TakeGaps()...)
	}
	require.Equal(t, []journal.Gap{s.gap(2, 80, 40), s.gap(82, 82, 1), s.gap(83, 83, 1), s.gap(84, 84, 1)}, gaps)
	require.Len(t, messages(reader), 42)
}

// The place that the entry of the cursor has is no matter: a reader of rare entries
// stands behind the same one for long.
func TestGapsBehindOneCursor(t *testing.T) {
	s := newSpread(t)
	s.create("system.journal").Append(line(1, "RARE=yes"))
	reader := s.open("RARE=yes")
	require.Equal(t, []string{"line 1"}, messages(reader))
	var gaps []journal.Gap
	for round := range 2 {
		s.write("system.journal", 3)
		name := fmt.Sprintf("system@%d.journal", round)
		s.archive("system.journal", name)
		s.write("system.journal", 5)
		s.erase(name)
		reader.Refresh()
		gaps = append(gaps, reader.TakeGaps()...)
		require.Empty(t, messages(reader))
		require.Equal(t, uint64(1), reader.Position().Cursor.Seqnum)
	}
	require.Equal(t, []journal.Gap{s.gap(2, 4, 3), s.gap(9, 12, 4)}, gaps, "9 was being written when all was looked at")
}

// One loss after the other, without an entry between them that was read.
func TestGapsOneAfterTheOther(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 2)
	reader := s.open()
	require.Equal(t, numbered(1, 3), messages(reader))
	lose := func(as string) {
		s.write("system.journal", 3)
		s.archive("system.journal", as)
		s.create("system.journal")
		s.erase(as)
		reader.Refresh()
	}
	lose("system@1.journal")
	require.Equal(t, []journal.Gap{s.gap(3, 5, 3)}, reader.TakeGaps(), "the new file's header tells, though it is empty")
	kept := copyOf(t, reader.Position())
	require.Equal(t, uint64(4), kept.Told[s.series.ID.String()], "what is told of need not be told again, but for what may be about to be written")
	lose("system@2.journal")
	require.Equal(t, []journal.Gap{s.gap(6, 8, 3)}, reader.TakeGaps())
	lose("system@3.journal")
	lose("system@4.journal")
	require.Equal(t, []journal.Gap{s.gap(9, 14, 6)}, reader.TakeGaps(), "nobody had asked meanwhile")
	s.write("system.journal", 1)
	reader.Refresh()
	require.Equal(t, numbered(15, 16), messages(reader))
	require.Equal(t, []journal.Gap{s.gap(5, 14, 10)}, s.open().Resume(kept))
}

// Nothing of the series is left: it is told once, and how many when that can be known.
func TestGapWithoutAnEnd(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 3)
	elsewhere := journaltest.Create(t, s.path("remote.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	elsewhere.Append(line(100))
	reader := s.open()
	require.Len(t, messages(reader), 4)
	kept := copyOf(t, reader.Position())
	s.write("system.journal", 3)
	s.erase("system.journal")
	delete(s.files, "system.journal")
	for range 3 {
		reader.Refresh()
	}
	require.Equal(t, []journal.Gap{s.gap(4, 0, 0)}, reader.TakeGaps())
	kept.Cursor = journal.Cursor{SeqnumID: s.series.ID, Seqnum: 3, BootID: journalfile.ID{1}, Monotonic: 3, Realtime: 3}
	require.Equal(t, []journal.Gap{s.gap(4, 0, 0)}, s.open().Resume(kept), "the same loss")
	s.write("system.journal", 1)
	require.Equal(t, []journal.Gap{s.gap(4, 6, 3)}, s.open().Resume(kept))
}

// Where no file is there at all, it may be that the directory is not mounted yet.
func TestGapIsSeenWhenTheJournalIsThere(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 3)
	reader := s.open()
	require.Equal(t, numbered(1, 4), messages(reader))
	kept := copyOf(t, reader.Position())
	s.write("system.journal", 2)
	s.erase("system.journal")
	delete(s.files, "system.journal")
	late := s.open()
	require.Empty(t, late.Resume(kept))
	s.write("system.journal", 1)
	late.Refresh()
	require.Equal(t, []journal.Gap{s.gap(4, 5, 2)}, late.TakeGaps())
	require.Equal(t, numbered(6, 7), messages(late))
}

// TestPositionsOfAWholeJournalSeeNoGap resumes at any number of a journal from which
// nothing is missing but what was vacuumed before.
func TestPositionsOfAWholeJournalSeeNoGap(t *testing.T) {
	s := newSpread(t)
	for n := range 60 {
		name := []string{"system.journal", "user-7.journal", "system.journal"}[n%3]
		s.write(name, 1)
		if n%13 == 12 {
			s.archive(name, fmt.Sprintf("%s@%d.journal", name, n))
		}
	}
	text, err := os.ReadFile(s.path("system.journal@12.journal"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path("copy.journal"), text, 0o600))
	for n := uint64(1); n <= 60; n++ {
		p := journal.Position{Cursor: journal.Cursor{
			SeqnumID: s.series.ID, Seqnum: n, BootID: journalfile.ID{1}, Monotonic: n, Realtime: 1_000_000 + n,
		}}
		reader := s.open()
		require.Empty(t, reader.Resume(p), "behind %d", n)
		require.Equal(t, append([]string(nil), numbered(int(n)+1, 61)...), messages(reader))
	}
}

// TestErasedWhileItIsLookedAt has a file emptied of which parts are in memory: what is not
// told is in a gap.
func TestErasedWhileItIsLookedAt(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 10)
	s.archive("system.journal", "system@1.journal")
	s.write("system.journal", 1000)
	s.archive("system.journal", "system@2.journal")
	s.write("system.journal", 2000)
	s.archive("system.journal", "system@3.journal")
	s.write("system.journal", 2)
	first := s.open()
	var e journal.Entry
	for range 5 {
		require.True(t, first.Next(&e))
	}
	kept := copyOf(t, first.Position())
	readers := map[int]*journal.Reader{}
	s.erase("system@2.journal")
	for at := 1010; at <= 3010; at += 250 {
		readers[at] = open(t, journal.Options{Directories: []string{s.directory}, Cache: 1}) // little memory
		readers[at].SeekRealtime(timeOf(line(at).Realtime))                                  // and so the way there is in memory
	}
	s.erase("system@3.journal")
	for at, reader := range readers {
		gaps := reader.Resume(kept)
		there := map[string]bool{}
		for range 3 {
			for _, text := range messages(reader) {
				require.False(t, there[text], text)
				there[text] = true
			}
			reader.Refresh()
			gaps = append(gaps, reader.TakeGaps()...)
		}
		for _, gap := range gaps {
			require.Equal(t, gap.Missing, gap.Last-gap.First+1)
			for _, text := range numbered(int(gap.First), int(gap.Last)+1) {
				require.False(t, there[text], text)
				there[text] = true
			}
		}
		require.Len(t, there, 3012-5, "after looking at %d", at)
	}
}

// What does not match was read all the same, also where its file is closed when another
// one is found to be gone.
func TestWhatDoesNotMatchIsNotGone(t *testing.T) {
	s := newSpread(t)
	s.create("system.journal").Append(line(1, "RARE=yes"))
	reader := s.open("RARE=yes")
	require.Equal(t, numbered(1, 2), messages(reader))
	for round := range 4 {
		s.write("system.journal", 10) // is read, and closed
		kept := fmt.Sprintf("system@%d.journal", 2*round)
		s.archive("system.journal", kept)
		s.write("system.journal", 5)
		for range round {
			reader.Refresh()
			require.Empty(t, messages(reader))
		}
		erased := fmt.Sprintf("system@%d.journal", 2*round+1)
		s.archive("system.journal", erased)
		s.create("system.journal")
		s.erase(erased)
		reader.Refresh()
		require.Empty(t, messages(reader))
		reader.Refresh()
		first := uint64(15*round + 12)
		if round > 0 {
			first += 4 // they had been looked at, but for the one that was about to be written
		}
		require.Equal(t, []journal.Gap{s.gap(first, uint64(15*round+16), uint64(15*round+17)-first)}, reader.TakeGaps(), round)
	}
}

// A number that was given and not written is nobody's loss: journald was killed, or the
// file was full.
func TestNumbersThatWereNotWritten(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 3)
	reader := s.open()
	require.Equal(t, numbered(1, 4), messages(reader))
	kept := copyOf(t, reader.Position())
	s.write("system.journal", 2)
	s.files["system.journal"].GiveNumber()
	s.archive("system.journal", "system@1.journal")
	s.write("system.journal", 2)
	reader.Refresh()
	require.Empty(t, reader.TakeGaps())
	require.Equal(t, []string{"line 4", "line 5", "line 7", "line 8"}, messages(reader))
	require.Empty(t, s.open().Resume(kept))
}

// A file is made, finished and removed between two looks.
func TestGapOfAFileThatWasNotSeen(t *testing.T) {
	s := newSpread(t)
	s.write("system.journal", 3)
	reader := s.open()
	require.Equal(t, numbered(1, 4), messages(reader))
	s.archive("system.journal", "system@1.journal")
	s.write("system.journal", 4)
	s.archive("system.journal", "system@2.journal")
	s.write("system.journal", 2)
	s.erase("system@2.journal")
	for range 3 {
		reader.Refresh()
	}
	require.Equal(t, []journal.Gap{s.gap(4, 7, 4)}, reader.TakeGaps())
	require.Equal(t, numbered(8, 10), messages(reader))
}

// A file that is read is kept open until all before its end is known to be read.
func TestFilesAreClosedWhenAllIsRead(t *testing.T) {
	s := newSpread(t)
	s.create("system.journal").Append(line(1, "RARE=yes"))
	s.write("system.journal", 10)
	s.archive("system.journal", "system@1.journal")
	s.write("system.journal", 2)
	journaltest.Create(t, s.path("remote.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()}).Append(line(100, "RARE=yes"))
	reader := s.open("RARE=yes")
	var e journal.Entry
	require.True(t, reader.Next(&e))
	s.erase("remote.journal")
	require.Equal(t, numbered(100, 101), messages(reader), "it was in memory; what is gone then holds up the others")
	reader.Refresh()
	s.archive("system.journal", "system@2.journal")
	s.write("system.journal", 1)
	s.erase("system@2.journal")
	reader.Refresh()
	require.Contains(t, reader.TakeGaps(), s.gap(12, 13, 2), "besides what may be gone of the other")
	for range 3 {
		require.Empty(t, messages(reader))
		reader.Refresh()
	}
	require.Equal(t, 1, reader.Files())
}
