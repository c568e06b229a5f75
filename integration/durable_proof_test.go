package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/servers"
)

func isProblem(e agent.Event) bool { return e.Event == agent.EventProblem && e.State == "problem" }

func isActivation(e agent.Event) bool {
	return e.Event == agent.EventTransition && e.Kind == "activation"
}

func isClear(e agent.Event) bool {
	return e.Event == agent.EventTransition && e.Kind == "status" && e.Status == "False"
}

// settle waits until the last life has told everything to everybody.
func (l *lives) settle(t testing.TB) {
	t.Helper()
	a := l.current()
	a.WaitReady(t, a.Ready())
	l.waitLast(t, l.writeProblem)
	last := l.episodes[len(l.episodes)-1]
	status, reason := "True", dockerHung
	if !last.cleared.IsZero() {
		status, reason = "False", noDeadlock
	}
	require.Eventually(t, func() bool {
		return servers.Is(deadlock, status, reason)(servers.NodeSeen{Node: l.k.Node(t, l.settings.Node)})
	},
		patience, tick, "the Node does not show how it ended")
	l.waitHeartbeats(t, 1)
}

// waitLast writes a last problem and waits until it has been told, and with it what came
// before: what is missing then is missing for good. It is on the console before the
// exporter to Kubernetes has it: a queue of nothing tells that all is written only once
// the last one's Event is there. A life may be settled twice: each has a name of its own.
func (l *lives) waitLast(t testing.TB, write func(what string) error) {
	t.Helper()
	a := l.current()
	l.settled++
	last := fmt.Sprint("the last ", l.settled)
	require.NoError(t, write(last))
	a.Console.WaitFor(t, "the last problem", func(e agent.Event) bool { return isProblem(e) && e.Message == "problem "+last })
	isLast := func(e servers.Event) bool { return e.Message == "problem "+last }
	require.Eventually(t, func() bool { return slices.ContainsFunc(l.events(t, "Problem"), isLast) }, time.Minute, tick,
		"the last problem has no Event")
	queued := map[string]string{"exporter": "kubernetes"}
	require.Eventually(t, func() bool { return a.Sum(t, "otelnpd_exporter_queue_length", queued) == 0 }, time.Minute, tick,
		"Events still wait")
}

// requireProof requires that nothing of what was written is missing, counted twice
// or shown wrongly, anywhere.
func (l *lives) requireProof(t testing.TB) {
	t.Helper()
	want := l.expected(t)
	l.requireConsole(t, want)
	l.requireCollector(t, want)
	times := l.requireActivations(t, want)
	t.Cleanup(func() {
		if t.Failed() {
			l.story(t, times)
		}
	})
	l.requireCuts(t)
	l.requireTransitions(t, times)
	l.requireNode(t, times)
	clears := l.requireEvents(t, want)
	l.requireOutcomes(t, len(want.problems)+len(want.activations), clears)
}

// requireConsole requires that the problems on the console, grouped by uid, are
// exactly those that were written, and that copies are equal.
func (l *lives) requireConsole(t testing.TB, want expected) {
	t.Helper()
	told := l.requireCopiesEqual(t, isProblem)
	for uid, what := range want.problems {
		e, there := told[uid] // Contains would look at all of many
		require.True(t, there, "problem %q was written and is not on the console: %s", what, uid)
		require.Equal(t, "problem "+what, e.Message)
		require.Equal(t, 1, e.Count)
	}
	for uid, e := range told {
		_, there := want.problems[uid]
		require.True(t, there, "on the console and not written: %+v", e)
	}
}

// requireActivations requires the same of the activations, and returns their times
// by the episodes' numbers.
func (l *lives) requireActivations(t testing.TB, want expected) []time.Time {
	t.Helper()
	told := l.requireCopiesEqual(t, isActivation)
	times := make([]time.Time, len(want.activations))
	for uid, number := range want.activations {
		require.Contains(t, told, uid, "episode %d is not on the console", number)
		times[number] = told[uid].Time
	}
	for uid, e := range told {
		require.Contains(t, want.activations, uid, "on the console and no episode: %+v", e)
	}
	return times
}

// requireCopiesEqual returns what matches on the console, by uid.
func (l *lives) requireCopiesEqual(t testing.TB, match func(agent.Event) bool) map[string]agent.Event {
	t.Helper()
	told := map[string]agent.Event{}
	for _, e := range l.told(t, match) {
		// A life may have the status from the Node before it reads the line again. The
		// time is looked at in stage.
		e.Seen, e.Provisional, e.StatusChanged, e.LastTransitionTime = time.Time{}, false, false, time.Time{}
		if before, twice := told[e.UID]; twice {
			require.WithinDuration(t, before.Time, e.Time, l.slack, "%+v", e)
			e.Time = before.Time
			require.Equal(t, before, e, "told twice, and not the same")
		}
		told[e.UID] = e
	}
	return told
}

var cutUID = regexp.MustCompile(`"uid":"([0-9a-f]{32})"`)

// requireCuts requires that what a kill cut off was told again later.
func (l *lives) requireCuts(t testing.TB) {
	t.Helper()
	for i, a := range l.all {
		match := cutUID.FindStringSubmatch(a.Console.Cut())
		if match == nil {
			continue
		}
		again := false
		for _, later := range l.all[i+1:] {
			again = again || len(later.Console.Events(t, func(e agent.Event) bool { return e.UID == match[1] })) > 0
		}
		require.True(t, again, "cut off in life %d and not told again: %q", i, a.Console.Cut())
	}
}

// stage returns where in the story of the condition a status with its time belongs:
// 0 is the health before all, 2n+1 the n-th episode, 2n+2 the health after it. -1:
// nowhere. An episode's time is the whole second of its first line; where the
// kernel's stamp of that, as the agent reads it, is in the future, it is the second in
// which the agent read it; where the agent before died without a state, it may be that
// in which the next one began.
func (l *lives) stage(status string, since time.Time, times []time.Time) int {
	for n, e := range l.episodes {
		switch {
		case status == "True" && !since.Before(e.written.Truncate(time.Second)) && (!since.After(times[n]) || !since.After(l.forgotten)):
			return 2*n + 1
		case status == "False" && n == 0 && since.Before(times[0]):
			return 0
		case status == "False" && !e.clearing.IsZero() && !since.Before(e.clearing.Truncate(time.Second)) &&
			(e.cleared.IsZero() || !since.After(e.cleared)):
			return 2*n + 2
		}
	}
	return -1
}

// requireTransitions requires that all that any life said of the condition on the
// console, snapshots too, was once so.
func (l *lives) requireTransitions(t testing.TB, times []time.Time) {
	t.Helper()
	for _, a := range l.all {
		at := 0
		for _, e := range a.Console.Events(t, func(e agent.Event) bool { return e.Event == agent.EventTransition }) {
			if e.Provisional && l.slack > 0 {
				continue // of a life without a state, before it knew the Node: health since its start
			}
			stage := l.stage(e.Status, e.LastTransitionTime, times)
			require.GreaterOrEqual(t, stage, 0, "never so: %+v", e)
			if !e.Provisional {
				require.GreaterOrEqual(t, stage, at, "so before, and no more: %+v", e)
				at = stage
			}
		}
	}
}

// requireNode requires that the Node has shown the episodes and nothing else, in
// order, each with the time and the message of its first line.
func (l *lives) requireNode(t testing.TB, times []time.Time) {
	t.Helper()
	at, since := 0, map[int]time.Time{}
	for _, seen := range l.watch.Seen(t) {
		c := seen.Condition(deadlock)
		if c.Type == "" && at == 0 {
			continue // not yet
		}
		require.False(t, seen.Deleted)
		require.Equal(t, "KubeletReady", seen.Condition("Ready").Reason)
		stage := l.stage(c.Status, c.LastTransitionTime, times)
		require.GreaterOrEqual(t, stage, at, "after %d, the Node shows what is not so at %s: %+v", at, seen.At, c)
		if c.Status == "True" {
			require.Equal(t, "task "+l.episodes[stage/2].task+" is hung", c.Message)
		}
		if before, shown := since[stage]; shown {
			require.Equal(t, before, c.LastTransitionTime, "the time has moved while the status stood")
		}
		at, since[stage] = stage, c.LastTransitionTime
	}
	final := 2*len(l.episodes) - 1
	if !l.episodes[len(l.episodes)-1].cleared.IsZero() {
		final++
	}
	require.Equal(t, final, at, "the Node does not show how it ended")
}

// requireEvents requires one Event a series, with the count of its lines and the
// name of the first, and returns how many occurrences the Events of clears tell.
func (l *lives) requireEvents(t testing.TB, want expected) (clears int) {
	t.Helper()
	counts := map[string]int{}
	for _, e := range l.events(t, "Problem") {
		what := e.Message[len("problem "):]
		require.NotContains(t, counts, what, "two Events of one series")
		require.Contains(t, want.counts, what)
		counts[what] = e.Count
		require.Equal(t, l.settings.Node+"."+want.names[what], e.Metadata.Name)
	}
	require.Equal(t, want.counts, counts, "matches, and what their Events count")
	names := map[string]bool{}
	for _, e := range l.events(t, dockerHung) {
		require.Equal(t, 1, e.Count, "%+v", e)
		names[e.Metadata.Name] = true
	}
	require.Len(t, names, len(want.activations))
	for uid := range want.activations {
		require.Contains(t, names, l.settings.Node+"."+uid)
	}
	for _, e := range l.events(t, noDeadlock) {
		clears += e.Count
	}
	others := slices.DeleteFunc(l.k.Events(t, "default", l.settings.Node), func(e servers.Event) bool {
		return e.Reason == "Problem" || e.Reason == dockerHung || e.Reason == noDeadlock
	})
	require.Empty(t, others)
	return clears
}

// certainClears counts the clears that ended something for certain. One that came
// before the Node was known may have found out then that an earlier one, whose answer
// a kill cut off, had ended it on the Node already; its Event may be lost.
func (l *lives) certainClears(t testing.TB) (n int) {
	t.Helper()
	told := l.told(t, isClear)
	for _, episode := range l.episodes {
		last := agent.Event{Provisional: true}
		for _, e := range told {
			if !e.Time.Before(episode.clearing) && !e.Time.After(episode.cleared) && e.Time.After(last.Time) {
				last = e // the first that is told of it
			}
		}
		if episode.answered && !last.Provisional {
			n++
		}
	}
	return n
}

// requireOutcomes requires that the last life knows what became of each occurrence.
// A clear that was not answered may have been forgotten after it was told, so that
// it was given again.
func (l *lives) requireOutcomes(t testing.TB, occurrences, clears int) {
	t.Helper()
	answered, distinct := l.certainClears(t), map[string]bool{}
	for _, e := range l.told(t, isClear) {
		distinct[e.UID] = true
	}
	require.GreaterOrEqual(t, clears, answered)
	require.LessOrEqual(t, clears, len(distinct))
	sum, outcomes := l.outcomes(t)
	require.GreaterOrEqual(t, sum, occurrences+answered, "%v", outcomes)
	require.LessOrEqual(t, sum, occurrences+len(distinct), "%v", outcomes)
	require.Zero(t, outcomes["suppressed"]+outcomes["failed"], "%v", outcomes)
}

// outcomes are what became of the occurrences, and those that wait.
func (l *lives) outcomes(t testing.TB) (sum int, by map[string]int) {
	t.Helper()
	a := l.current()
	by = map[string]int{"pending": int(a.Sum(t, "otelnpd_exporter_queue_length", map[string]string{"exporter": "kubernetes"}))}
	sum = by["pending"]
	for _, outcome := range []string{"written", "folded", "suppressed", "failed"} {
		by[outcome] = int(a.Sum(t, "otelnpd_kubernetes_events_total", map[string]string{"outcome": outcome}))
		sum += by[outcome]
	}
	return sum, by
}

// story tells what happened to the condition.
func (l *lives) story(t testing.TB, times []time.Time) {
	t.Helper()
	const clock = "15:04:05.000"
	for n, e := range l.episodes {
		t.Logf("episode %d: written %s, time %s, clearing %s, cleared %s (%v)", n, e.written.UTC().Format(clock), times[n].Format(clock),
			e.clearing.UTC().Format(clock), e.cleared.UTC().Format(clock), e.answered)
	}
	for _, seen := range l.watch.Seen(t) {
		c := seen.Condition(deadlock)
		t.Logf("the Node at %s: %s since %s, %s", seen.At.UTC().Format(clock), c.Status, c.LastTransitionTime.UTC().Format(clock), c.Message)
	}
	for i, a := range l.all {
		for _, e := range a.Console.Events(t, func(e agent.Event) bool { return e.Event == agent.EventTransition }) {
			t.Logf("life %d at %s: %s %s since %s, provisional %v, %s, %s", i, e.Seen.UTC().Format(clock), e.Kind, e.Status,
				e.LastTransitionTime.Format(clock), e.Provisional, e.Message, e.UID)
		}
	}
}

// summary tells how much the proof is of.
func (l *lives) summary(t testing.TB) string {
	t.Helper()
	told := l.told(t, isProblem)
	_, outcomes := l.outcomes(t)
	text, err := json.Marshal(outcomes)
	require.NoError(t, err)
	return fmt.Sprintf("%d lives, %d lines, %d problems told %d times, %d episodes, %d states of the Node, %d Events by %d requests, outcomes %s",
		len(l.all), l.written, len(l.expected(t).problems), len(told), len(l.episodes), len(l.watch.Seen(t)),
		len(l.k.Events(t, "default", l.settings.Node)), len(l.proxy.Requests(faultproxy.Is(http.MethodPut, "/events/"))), text)
}
