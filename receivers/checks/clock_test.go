package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestStatesOfTheClock(t *testing.T) {
	for name, one := range map[string]struct {
		state int
		timex unix.Timex
		want  clockState
	}{
		"in order":        {unix.TIME_OK, unix.Timex{Offset: 1500, Maxerror: 20000, Esterror: 100}, clockState{true, 1500 * time.Microsecond, 100 * time.Microsecond, 20 * time.Millisecond}},
		"in nanoseconds":  {unix.TIME_OK, unix.Timex{Offset: 1500, Status: unix.STA_NANO | unix.STA_PLL, Maxerror: 1}, clockState{true, 1500, 0, time.Microsecond}},
		"a leap second":   {unix.TIME_INS, unix.Timex{}, clockState{synchronized: true}},
		"unsynchronized":  {unix.TIME_ERROR, unix.Timex{Status: unix.STA_UNSYNC, Maxerror: 16_000_000}, clockState{most: 16 * time.Second}},
		"never corrected": {unix.TIME_OK, unix.Timex{Status: unix.STA_UNSYNC}, clockState{}},
	} {
		require.Equal(t, one.want, clockStateOf(one.state, &one.timex), name)
	}
	_, err := adjtimex() // this machine's; who may not set it may read it
	require.NoError(t, err)
}

func TestClockSynchronization(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	run := checkOn(t, all(), tr.system(t), "clock_sync").Run
	for _, one := range []struct{ kernel, fail, warn string }{
		{"true 0 100000 20000000", "ok", "ok"},
		{"true 0 100000 3000000000", "ok", "between"},
		{"true 0 100000 4000000000", "ok", "problem"},
		// chronyd without rtcsync leaves it so, but says how wrong the clock may be.
		{"false 0 100000 20000000", "ok", "ok"},
		{"false 0 16000000000 16000000000", "problem", "problem"},
		{"false 0 16000000000 2000000000000", "problem", "problem"},
	} {
		tr.write(t, "kernel/adjtimex", one.kernel)
		got := told(run(t.Context()))
		require.Contains(t, got[0], "clock_sync - "+one.fail+": ", one.kernel)
		require.Contains(t, got[1], "clock_sync/warn - "+one.warn+": ", one.kernel)
	}
}

// Anybody may read the clock's state, so who is refused is so by a filter: to be root
// does not help.
func TestClockBehindAFilter(t *testing.T) {
	s := newTree(t, "linux-6.8-cgroup2").system(t)
	s.kernel.adjtimex = func() (clockState, error) { return clockState{}, unix.EPERM }
	report := checkOn(t, all(), s, "clock_sync").Run(t.Context())
	require.Contains(t, report.Degraded.Reason, "refused by a filter of system calls")
	require.Contains(t, report.Degraded.Remedy, "ProtectClock=no and SystemCallFilter=adjtimex")
}

func TestClockJumps(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	run := checkOn(t, all(), tr.system(t), "clock_jump").Run
	look := func() string { return strings.Join(told(run(t.Context())), "\n") }
	require.Contains(t, look(), " ok: the clock has not jumped")
	tr.clock.Advance(30 * time.Second)
	require.Contains(t, look(), " ok: the clock has not jumped")
	tr.clock.Advance(30 * time.Second)
	tr.clock.StepWall(time.Hour)
	require.Contains(t, look(), " problem: the clock was set from 2026-11-29T07:01:00Z to 2026-11-29T08:01:00Z, forwards by 1h0m0s, limit 5 s")
	tr.clock.Advance(30 * time.Second)
	require.Contains(t, look(), " ok: the clock has not jumped", "it is told once")
	tr.clock.StepWall(-6 * time.Second)
	require.Contains(t, look(), " problem: the clock was set from 2026-11-29T08:01:30Z to 2026-11-29T08:01:24Z, back by 6s, limit 5 s")
	tr.clock.StepWall(time.Second)
	require.Contains(t, look(), " ok: the clock was set from ", "a leap second is no problem")
}

// Until it has been set after a boot a clock may say anything.
func TestClockIsSetAfterABoot(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	s := tr.system(t)
	tr.clock.Advance(-tr.clock.Now().Boot + time.Minute)
	run := checkOn(t, all(), s, "clock_jump").Run
	_ = run(t.Context())
	tr.clock.StepWall(24 * time.Hour)
	require.NotContains(t, strings.Join(told(run(t.Context())), "\n"), "problem")
	tr.clock.Advance(settled)
	_ = run(t.Context())
	tr.clock.StepWall(24 * time.Hour)
	require.Contains(t, strings.Join(told(run(t.Context())), "\n"), "problem")
}

// stoppedClock is read by a process that is stopped, now and then, between the two
// readings.
type stoppedClock struct {
	*pipelinetest.Clock
	reads *int
}

func (c stoppedClock) Now() pipeline.Instant {
	now := c.Clock.Now()
	if *c.reads++; *c.reads%3 == 1 {
		c.Advance(time.Minute)
		now.Wall = now.Wall.Add(time.Minute)
	}
	return now
}

func TestReadingBothClocksTakesLong(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	s := tr.system(t)
	s.clock = stoppedClock{tr.clock, new(int)}
	run := checkOn(t, all(), s, "clock_jump").Run
	for range 5 {
		require.Contains(t, strings.Join(told(run(t.Context())), "\n"), " ok: the clock has not jumped")
	}
}
