package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
)

// TestStorm removes files at any time, the oldest first, while readers come and go: each
// entry that matches is told, or a gap is told that it is in.
func TestStorm(t *testing.T) {
	s := newSpread(t)
	length := 2 * time.Second
	if os.Getenv("OTELNPD_SOAK") != "" {
		length = 2 * time.Minute
	}
	random, over := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))), make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		defer close(over)
		var archived []string
		s.create("system.journal")
		for begun := time.Now(); time.Since(begun) < length; {
			for range 1 + random.IntN(60) {
				n := int(s.series.Last) + 1
				s.files["system.journal"].Append(line(n, "PARITY="+[]string{"even", "odd"}[n%2]))
			}
			name := fmt.Sprintf("system@%d.journal", s.series.Last)
			s.archive("system.journal", name)
			archived = append(archived, name)
			s.create("system.journal")
			for len(archived) > random.IntN(4) {
				s.erase(archived[0])
				archived = archived[1:]
			}
		}
		s.files["system.journal"].Append(line(int(s.series.Last)+1, "PARITY=odd"))
		s.files["system.journal"].SetState(0)
	})
	var told []bool
	note := func(number uint64) {
		for uint64(len(told)) <= number {
			told = append(told, false)
		}
		told[number] = true
	}
	gaps, lives := 0, 0
	notes := func(all []journal.Gap) {
		for _, gap := range all {
			gaps++
			for number := gap.First; number <= gap.Last; number++ {
				note(number)
			}
		}
	}
	var kept journal.Position
	pauses := rand.New(rand.NewPCG(2, 3))
	for ended := false; !ended; lives++ {
		reader, err := journal.Open(journal.Options{Directories: []string{s.directory}, Matches: []string{"PARITY=odd"}, Cache: 1})
		require.NoError(t, err)
		if lives > 0 {
			notes(reader.Resume(kept))
		}
		for range pauses.IntN(20) {
			var e journal.Entry
			for reader.Next(&e) {
				note(e.Seqnum)
				if pauses.IntN(50) == 0 {
					time.Sleep(time.Duration(pauses.IntN(3)) * time.Millisecond)
				}
			}
			if p := reader.Position(); !p.Cursor.IsZero() {
				kept = copyOf(t, p)
			}
			time.Sleep(time.Duration(pauses.IntN(4)) * time.Millisecond)
			reader.Refresh()
			notes(reader.TakeGaps())
		}
		select {
		case <-over:
			ended = true
			for range 3 {
				reader.Refresh()
				notes(reader.TakeGaps())
				var e journal.Entry
				for reader.Next(&e) {
					note(e.Seqnum)
				}
			}
		default:
		}
		_ = reader.Close() // and again when the test ends
	}
	writing.Wait()
	first := slices.Index(told, true)
	for number := first | 1; number <= int(s.series.Last); number += 2 {
		require.True(t, number < len(told) && told[number], "entry %d of %d", number, s.series.Last)
	}
	t.Logf("%d entries, %d readers, %d gaps", s.series.Last, lives, gaps)
}
