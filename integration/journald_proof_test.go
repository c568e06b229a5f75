package integration

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// settle waits until the last life has told everything to everybody.
func (r *journalRig) settle(t *testing.T) {
	t.Helper()
	a := r.current()
	a.WaitReady(t, a.Ready())
	// It comes last, so that what is missing then is missing for good.
	require.NoError(t, r.send(watched, "the last"))
	a.Console.WaitFor(t, "the last problem", agent.Problem("Problem", "the last"))
	queued := map[string]string{"exporter": "kubernetes"}
	require.Eventually(t, func() bool { return a.Sum(t, "otelnpd_exporter_queue_length", queued) == 0 }, time.Minute, tick,
		"Events still wait")
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
	machine := machineID(t)
	for place, what := range r.found {
		uid := agent.JournalProblemUID(r.settings.Node, machine, place.series, place.sequence, "problem")
		want.problems[uid] = what
		want.counts[what]++
		if first[what] == 0 || place.sequence < first[what] {
			first[what], want.names[what] = place.sequence, uid
		}
	}
	require.Len(t, want.problems, r.written)
	return want
}

func machineID(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("/etc/machine-id")
	require.NoError(t, err)
	return strings.TrimSpace(string(content))
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
	machine := machineID(t)
	for place := range r.found {
		if _, there := told[agent.JournalProblemUID(r.settings.Node, machine, place.series, place.sequence, "problem")]; there {
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

// gaps are those that were told. They are told under the number of the watched entry
// that was read last: a gap begins behind that, before the next watched one. One whose
// length is unknown, because nothing was behind it yet, ends before the next that was read.
func (r *journalRig) gaps(t *testing.T, read []uint64) (gaps []gap) {
	t.Helper()
	var watched []uint64
	behind, boot := map[string]int{}, bootID(t)
	for place := range maps.Keys(r.found) {
		watched = append(watched, place.sequence)
	}
	slices.Sort(watched)
	for place := range maps.Keys(r.found) {
		at, _ := slices.BinarySearch(watched, place.sequence)
		behind[agent.JournalProblemUID(r.settings.Node, boot, place.series, place.sequence, "otelnpd/journal-entries-lost")] = at
	}
	for _, e := range r.told(t, agent.Problem("JournalEntriesLost", "")) {
		at, there := behind[e.UID]
		require.True(t, there, "the gap is behind no watched entry: %+v", e)
		g := gap{first: watched[at] + 1}
		if e.Message == "an unknown number of journal entries was removed before it was read" {
			next, _ := slices.BinarySearch(read, g.first)
			g.last = read[min(next, len(read)-1)] - 1
		} else {
			var count uint64
			_, err := fmt.Sscanf(e.Message, "up to %d journal entries", &count)
			require.NoError(t, err, e.Message)
			g.last = watched[min(at+1, len(watched)-1)] - 1 + count
		}
		gaps = append(gaps, g)
	}
	return gaps
}
