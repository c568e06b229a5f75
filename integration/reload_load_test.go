package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

const (
	// loadRate is how many lines are written a second, of which one in loadShare is a
	// problem. They are short: the kernel's ring, of 128 KiB, has room for those of
	// about 0.3 s.
	loadRate, loadShare = 10_000, 50
	// loadBursts is how many reloads there are under lines at full speed, which come
	// in bursts of burstLines.
	loadBursts = 5
)

// loadReloads is how often the configuration changes, or should.
func loadReloads() int {
	if soak() {
		return 1000
	}
	return 100
}

func soak() bool { return os.Getenv("OTELNPD_SOAK") == "1" }

// A hundred reloads while 10,000 lines a second come in lose no line, judge none
// twice, and let no series of the metrics end. What comes faster than it can be read
// is counted.
func TestReloadUnderLoad(t *testing.T) {
	l := newLoad(t, kernellog.Open(t))
	begun := time.Now()
	t.Run("at 10,000 lines a second", l.steady)
	t.Run("at full speed", l.bursts)
	t.Logf("%d reloads in %s", l.changes+l.refusals, time.Since(begun).Round(time.Millisecond))
}

// load is an agent under lines, whose configuration changes.
type load struct {
	*changing

	log    *kernellog.Log
	follow *kernellog.Follower
	tag    string
	first  uint64 // the number of the first line that the agent counts
	boot   string

	problems atomic.Int64 // that were written
}

func newLoad(t *testing.T, log *kernellog.Log) *load {
	t.Helper()
	l := &load{log: log, tag: "r" + strconv.FormatUint(rand.Uint64N(1<<32), 36), boot: bootID(t)}
	settings := agent.NewSettings(t).Durable(t)
	settings.Node, settings.Packs = "node-"+l.tag, ""
	if !soak() { // a reload is over once it is in the state, which is written once a second
		settings.StateDir = "none"
	}
	settings.Rules = fmt.Sprintf(`rules: [{id: problem, pattern: '^%s problem (?P<what>.+)$', reason: Problem, message: '{what}'}]`, l.tag)
	l.follow = kernellog.Follow(t, l.tag+" problem ")
	l.changing = &changing{Agent: agent.StartReady(t, binary, settings)}
	l.first = firstSequence(t, l.Agent)
	return l
}

// line makes the lines: ordinary ones, and problems that are all different.
func (l *load) line(buffer []byte, i int) []byte {
	if i%loadShare != 0 {
		return fmt.Appendf(buffer, "ordinary line %d", i)
	}
	return fmt.Appendf(append(buffer, l.tag+" problem "...), "%s", what(int(l.problems.Add(1)-1)))
}

// what is the text of a problem, with all that a text may have.
func what(i int) string { return fmt.Sprintf(`%d: "50%%" of {it} \o/ <%x>`, i, i*7919) }

func (l *load) steady(t *testing.T) {
	scraped := scrapeOn(t, l.Agent, 20*time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	var written int
	var failed error
	begun := time.Now()
	writing.Go(func() { written, failed = l.log.WriteSteadily(ctx, loadRate, l.line) })
	func() {
		defer writing.Wait()
		defer stop()
		for range loadReloads() {
			l.next(t)
		}
	}()
	require.NoError(t, failed)
	took := time.Since(begun)
	l.settle(t)
	scraped.requireWhole(t)
	lost := uint64(lostRecords(t, l.Agent))
	t.Logf("%d lines, %d of them problems, in %s (%.0f a second); lost: %d, by a plain reader: %d; %d reloads, %d refused",
		written, l.problems.Load(), took, float64(written)/took.Seconds(), lost, l.follow.Overtaken(), l.changes, l.refusals)
	l.requireReloads(t)
	l.requireKept(t, lost)
	l.requireTold(t, lost)
}

// settle waits until all that was written has been judged, and requires that each
// line is accepted or known to be lost.
func (l *load) settle(t *testing.T) {
	t.Helper()
	requireFirstSequence(t, l.Agent, l.first)
	l.log.Write(t, string(l.line(nil, 0)))
	last := what(int(l.problems.Load() - 1))
	l.Console.WaitFor(t, "the last problem", func(e agent.Event) bool { return e.Message == last })
}

// requireKept requires that no line was lost. One thing is excused: the machine was
// so busy that the ring was overwritten before this process had read it too, which
// does nothing but read. Lines that the agent has read, and then lost, never are.
func (l *load) requireKept(t *testing.T, lost uint64) {
	t.Helper()
	overrun := uint64(l.Sum(t, "otelnpd_receiver_lost_records_total", map[string]string{"reason": "overrun"}))
	require.Equal(t, overrun, lost, "lines are lost that the kernel had given")
	if lost > 0 {
		require.NotZero(t, l.follow.Overtaken(), "%d lines are lost at a rate at which a plain reader loses none", lost)
	}
}

// requireTold requires that the console has each problem once, as it was written and
// with its identity, but for those that are lost.
func (l *load) requireTold(t *testing.T, lost uint64) {
	t.Helper()
	written := int(l.problems.Load())
	uids := map[string]string{}
	for _, record := range l.follow.Some() {
		text := strings.ReplaceAll(record.Text, `\x5c`, `\`) // as the kernel escapes it
		uids[strings.TrimPrefix(text, l.tag+" problem ")] = agent.ProblemUID(l.Node, l.boot, record.Sequence, "problem")
	}
	told := map[string]string{}
	for _, e := range l.Console.Events(t, agent.Problem("Problem", "")) {
		require.Empty(t, told[e.Message], "told twice: %s", e.Message)
		told[e.Message] = e.UID
	}
	require.GreaterOrEqual(t, len(told)+int(lost), written)
	for i := range written {
		uid, is := told[what(i)]
		require.True(t, is || lost > 0, "problem %d is not on the console: %s", i, what(i))
		if want, known := uids[what(i)]; is && known {
			require.Equal(t, want, uid, "the identity of problem %d", i)
		}
		delete(told, what(i))
	}
	require.Empty(t, told, "on the console, and not as it was written")
}

// bursts changes the configuration while lines come faster than anybody can read them.
func (l *load) bursts(t *testing.T) {
	scraped := scrapeOn(t, l.Agent, 20*time.Millisecond)
	for range loadBursts {
		var writing sync.WaitGroup
		var failed error
		writing.Go(func() { failed = l.log.WriteMany(burstLines, l.line) })
		func() {
			defer writing.Wait()
			l.next(t)
		}()
		require.NoError(t, failed)
	}
	l.settle(t)
	scraped.requireWhole(t)
	told := map[string]bool{}
	for _, e := range l.Console.Events(t, agent.Problem("Problem", "")) {
		require.False(t, told[e.Message], "told twice: %s", e.Message)
		told[e.Message] = true
	}
	written := int(l.problems.Load())
	t.Logf("accepted %.0f, lost %.0f; %d of %d problems told", l.Sum(t, acceptedRecords, nil), lostRecords(t, l.Agent), len(told), written)
	for i := range written {
		delete(told, what(i))
	}
	require.Empty(t, told, "on the console, and not as it was written")
	l.requireReloads(t)
}
