package checks

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

func TestTheFormOfWhatIsKeptIsFrozen(t *testing.T) { statetest.RequireForm(t, keptCounters{}) }

func TestGrowth(t *testing.T) {
	const window = 10 * time.Minute
	type look struct {
		at    time.Duration
		value uint64
		grown uint64
		in    time.Duration
	}
	for name, looks := range map[string][]look{
		"it starts high":    {{0, 900, 0, 0}, {time.Minute, 900, 0, time.Minute}},
		"only growth since": {{0, 900, 0, 0}, {time.Minute, 902, 2, time.Minute}, {2 * time.Minute, 902, 2, 2 * time.Minute}},
		"old growth is forgotten": {
			{0, 5, 0, 0}, {time.Minute, 7, 2, time.Minute}, {11 * time.Minute, 7, 0, 10 * time.Minute}, {12 * time.Minute, 7, 0, 11 * time.Minute},
		},
		"a reset is no growth": {{0, 900, 0, 0}, {time.Minute, 3, 0, 0}, {2 * time.Minute, 4, 1, time.Minute}},
		"nobody looked for long": {
			{0, 5, 0, 0}, {3 * time.Hour, 9, 4, 3 * time.Hour}, {3*time.Hour + time.Minute, 9, 4, 3*time.Hour + time.Minute},
			{3*time.Hour + 11*time.Minute, 9, 0, 10 * time.Minute},
		},
		"a clock that stepped back": {{time.Hour, 5, 0, 0}, {time.Minute, 9, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounters(newTree(t).settings(t))
			for _, l := range looks {
				grown, in := c.growth("x", l.at, window, l.value)
				require.Equal(t, look{l.at, l.value, l.grown, l.in}, look{l.at, l.value, grown, in})
			}
		})
	}
}

// However often is looked, few samples are kept, and they cover the window.
func TestGrowthIsBounded(t *testing.T) {
	c := newCounters(newTree(t).settings(t))
	for i := range 10_000 {
		c.growth("steady", time.Duration(i)*time.Second, time.Hour, 7)
		c.growth("wild", time.Duration(i)*time.Second, time.Hour, uint64(i))
	}
	require.LessOrEqual(t, len(c.byName["steady"]), maxSamples)
	require.LessOrEqual(t, len(c.byName["wild"]), maxSamples)
	_, in := c.growth("steady", 10_000*time.Second, time.Hour, 7)
	require.GreaterOrEqual(t, in, time.Hour)
	grown, in := c.growth("wild", 10_000*time.Second, time.Hour, 10_000)
	require.Equal(t, in, time.Duration(grown)*time.Second, "never more than there was in that time")
	for i := range 2 * maxCounters {
		c.growth(fmt.Sprint("more", i), 0, time.Hour, 1)
	}
	require.LessOrEqual(t, len(c.byName), maxCounters)

	// Those of which nothing is heard any more make room.
	c.growth("new", time.Hour, time.Hour, 1)
	require.NotContains(t, c.byName, "new")
	c.growth("new", 3*time.Hour, time.Hour, 1)
	require.Contains(t, c.byName, "new")
	require.Contains(t, c.byName, "wild", "it was heard of")
}

// What the kernel counted while the agent was away is told, in the same boot alone.
func TestCountersOutliveTheAgent(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	first := newSystem(tr.settings(t))
	run := checkOn(t, all(), first, "oom_kills").Run
	require.Equal(t, []string{"oom_kills/warn - between: 0 processes were killed for want of memory in 0s"}, told(run(t.Context())),
		"7 were killed in this boot, nobody knows when")
	require.Equal(t, 1, tr.kept.Changed())
	kept, err := first.counters.keep()()
	require.NoError(t, err)

	tr.write(t, "proc/vmstat", "oom_kill 9\n")
	tr.clock.Advance(time.Hour)
	second := newSystem(tr.settings(t))
	require.NoError(t, second.counters.resume(kept))
	run = checkOn(t, all(), second, "oom_kills").Run
	require.Equal(t, []string{"oom_kills/warn - problem: 2 processes were killed for want of memory in 1h0m0s, limit 1"}, told(run(t.Context())))
	tr.clock.Advance(11 * time.Minute)
	require.Equal(t, []string{"oom_kills/warn - ok: 0 processes were killed for want of memory in 11m0s"}, told(run(t.Context())))

	tr.boot = "another"
	tr.write(t, "proc/vmstat", "oom_kill 20\n")
	third := newSystem(tr.settings(t))
	require.NoError(t, third.counters.resume(kept))
	run = checkOn(t, all(), third, "oom_kills").Run
	require.Equal(t, []string{"oom_kills/warn - between: 0 processes were killed for want of memory in 0s"}, told(run(t.Context())))
	tr.write(t, "proc/vmstat", "oom_kill 0\n")
	require.Equal(t, []string{"oom_kills/warn - ok: 0 processes were killed for want of memory in 0s"}, told(run(t.Context())), "none in this boot")
}

// What the receiver keeps is what its successor begins with.
func TestTheReceiverKeeps(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	first, err := New(tr.settings(t), all(), nil)
	require.NoError(t, err)
	first.system.counters.growth("x", time.Hour, time.Hour, 7)
	kept, err := first.Keep()()
	require.NoError(t, err)
	second, err := New(tr.settings(t), all(), nil)
	require.NoError(t, err)
	require.NoError(t, second.Resume(kept))
	again, err := second.Keep()()
	require.NoError(t, err)
	require.JSONEq(t, string(kept), string(again))
	require.Contains(t, string(again), `"x"`)
}

func TestResumeRefusesWhatIsWrong(t *testing.T) {
	c := newCounters(newTree(t).settings(t))
	for text, want := range map[string]string{
		`{`: "read what counters said",
		`{"boot":"` + c.boot + `","counters":{"x":[{"at":5,"value":1},{"at":4,"value":2}]}}`: "not in order",
		`{"boot":"` + c.boot + `","counters":{"x":[{"at":5,"value":3},{"at":6,"value":2}]}}`: "not in order",
	} {
		require.ErrorContains(t, c.resume([]byte(text)), want)
		require.Empty(t, c.byName)
	}
	require.NoError(t, c.resume([]byte(`{"boot":"`+c.boot+`"}`)))
	c.growth("x", 0, time.Hour, 1)
}
