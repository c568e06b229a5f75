package integration

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// settle waits until the last life has told everything to everybody.
func (r *journalRig) settle(t *testing.T) {
	t.Helper()
	a := r.current()
	a.WaitReady(t, a.Ready())
	r.waitLast(t, func(what string) error { return r.send(watched, what) })
	require.NoError(t, r.collect(t.Context()))
	require.Len(t, r.found, r.written, "written, and in the files")
}

// requireProof requires that nothing of what was written is missing, told as two or
// counted wrongly, and that nothing else is told.
func (r *journalRig) requireProof(t *testing.T) {
	t.Helper()
	want := r.expected(t)
	r.requireConsole(t, want)
	r.requireCuts(t)
	r.requireEvents(t, want)
	t.Logf("%d watched entries told by %d lives, in %d Events", len(want.problems), len(r.all), len(want.counts))
}

// expected is what is to be told of the watched entries.
func (r *journalRig) expected(t *testing.T) expected {
	t.Helper()
	want := expected{problems: map[string]string{}, counts: map[string]int{}, names: map[string]string{}}
	first := map[string]uint64{}
	boot := bootID(t)
	for place, what := range r.found {
		uid := agent.JournalProblemUID(r.settings.Node, boot, place.series, place.sequence, "problem")
		want.problems[uid] = what
		want.counts[what]++
		if first[what] == 0 || place.sequence < first[what] {
			first[what], want.names[what] = place.sequence, uid
		}
	}
	require.Len(t, want.problems, r.written)
	return want
}

// gap are entries of any identifier of which the agent has told that they were removed
// before they were read.
type gap struct{ first, last uint64 }

// requireGapsTold requires that each entry is told, or that a gap is told in which it
// was.
func (r *journalRig) requireGapsTold(t *testing.T) {
	t.Helper()
	want := r.expected(t)
	told := r.requireCopiesEqual(t, func(e agent.Event) bool { return isProblem(e) && e.Reason == "Problem" })
	for uid, e := range told {
		require.Equal(t, "problem "+want.problems[uid], e.Message)
	}
	var read, missing []uint64
	boot := bootID(t)
	for place := range r.found {
		if _, there := told[agent.JournalProblemUID(r.settings.Node, boot, place.series, place.sequence, "problem")]; there {
			read = append(read, place.sequence)
		} else {
			missing = append(missing, place.sequence)
		}
	}
	slices.Sort(read)
	gaps := r.gaps(t, read)
	for _, sequence := range missing {
		in := func(g gap) bool { return g.first <= sequence && sequence <= g.last }
		require.True(t, slices.ContainsFunc(gaps, in), "entry %d was not told and is in no gap: %v", sequence, gaps)
	}
	require.NotEmpty(t, missing, "nothing was removed before it was read")
	t.Logf("of %d watched entries %d lives have told %d; %d were in the %d gaps that were told", len(want.problems), len(r.all), len(read), len(missing), len(gaps))
}

// gaps are those that were told. One whose length is unknown, because nothing was left,
// ends before the next that was read.
func (r *journalRig) gaps(t *testing.T, read []uint64) (gaps []gap) {
	t.Helper()
	for _, e := range r.told(t, agent.Problem("JournalEntriesLost", "")) {
		if e.Message == "an unknown number of journal entries was removed before it was read" {
			g := gap{first: r.firstLost(t, e, 0)}
			next, _ := slices.BinarySearch(read, g.first)
			g.last = read[min(next, len(read)-1)] - 1
			gaps = append(gaps, g)
			continue
		}
		var count uint64
		_, err := fmt.Sscanf(e.Message, "up to %d journal entries", &count)
		require.NoError(t, err, e.Message)
		first := r.firstLost(t, e, count)
		gaps = append(gaps, gap{first: first, last: first + count - 1})
	}
	return gaps
}

// firstLost finds the numbers that a loss of so many was told under; 0: nobody knew how
// many.
func (r *journalRig) firstLost(t *testing.T, e agent.Event, count uint64) uint64 {
	t.Helper()
	series, newest := map[string]bool{}, uint64(0)
	for place := range maps.Keys(r.found) {
		series[place.series] = true
		newest = max(newest, place.sequence)
	}
	for id := range maps.Keys(series) {
		for first := uint64(1); first <= newest; first++ {
			last := uint64(0)
			if count > 0 {
				last = first + count - 1
			}
			if agent.JournalLossUID(r.settings.Node, id, first, last) == e.UID {
				return first
			}
		}
	}
	require.FailNow(t, "the loss is of no numbers", "%+v", e)
	return 0
}
