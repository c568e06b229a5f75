package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// lives are a rig whose agent lives several times, on one state directory, and what
// was written and ordered meanwhile. Everything of it can be compared with what a
// reader beside the agent finds in the kernel's log.
type lives struct {
	*rig
	follow *kernellog.Follower
	boot   string
	// slack is by how much the times of a line may differ: those of a life that has
	// left no state are measured anew.
	slack time.Duration
	// forgotten is when a life had begun that may have known nothing of those before:
	// what it reads again is so since its own start at the earliest.
	forgotten time.Time
	// collector is told too; nil: there is none.
	collector *servers.Collector
	// settled is how often all that was written had been told.
	settled int

	mu       sync.Mutex // over what follows, and over the configuration
	all      []*agent.Agent
	written  int // lines
	episodes []episode
}

// episode is a time in which the condition is a problem: from its first line to the
// operator's clear.
type episode struct {
	// task is what its first line names, written when that was written.
	task    string
	written time.Time
	// clearing is before the operator's first try, cleared after the one that was
	// answered; zero: not yet.
	clearing, cleared time.Time
	// answered tells that the answer was that a cause was ended: an earlier try may
	// have ended it unanswered.
	answered bool
}

// eventsWithoutBound lets every occurrence be told.
const eventsWithoutBound = "events: {per_reason: {burst: 10000, per_minute: 10000}, total: {burst: 10000, per_minute: 10000}}"

// livesOnNode makes lives whose Node exists.
func (s kubernetesTests) livesOnNode(t testing.TB, more ...string) *lives {
	t.Helper()
	r := s.rigOnNode(t, append(more, eventsWithoutBound)...)
	r.settings = r.settings.Durable(t)
	r.settings.Lookback = "boot"
	return &lives{rig: r, follow: kernellog.Follow(t, r.tag), boot: bootID(t)}
}

// live starts the next life, and returns at once.
func (l *lives) live(t testing.TB, binary string, environment ...string) *agent.Agent {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	settings := l.settings
	settings.Environment = environment
	a := agent.Start(t, binary, settings)
	l.all = append(l.all, a)
	return a
}

// waitState waits until there is a state that has the times of lines.
func (l *lives) waitState(t testing.TB) {
	t.Helper()
	require.NoError(t, l.writeProblem("the first"))
	require.Eventually(t, func() bool { return l.stateHolds(`"wall_ns"`) }, patience, tick, "there is no state with the times of lines")
}

// current is the agent of now; nil: there was none.
func (l *lives) current() *agent.Agent {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return nil
	}
	return l.all[len(l.all)-1]
}

// writeProblem and writeHung write a line. They can be called from any goroutine.
func (l *lives) writeProblem(what string) error { return l.write(l.tag + " problem " + what) }
func (l *lives) writeHung(task string) error    { return l.write(l.tag + " hung " + task) }

func (l *lives) write(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written++
	return l.log.WriteMany(1, func(buffer []byte, _ int) []byte { return append(buffer, line...) })
}

// begin begins an episode with its first line.
func (l *lives) begin() (task string, err error) {
	l.mu.Lock()
	task = fmt.Sprintf("docker-%d", len(l.episodes))
	l.episodes = append(l.episodes, episode{task: task, written: time.Now()})
	l.mu.Unlock()
	return task, l.writeHung(task)
}

// change changes the episode of now.
func (l *lives) change(f func(e *episode)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.episodes[len(l.episodes)-1])
}

// lines are what the kernel has of the lives' lines.
func (l *lives) lines(t testing.TB) []line {
	t.Helper()
	require.Eventually(t, func() bool { return len(l.follow.Records(t)) >= l.written }, patience, tick, "the kernel has not taken all lines")
	records := l.follow.Records(t)
	require.Len(t, records, l.written)
	lines := make([]line, 0, len(records))
	for _, record := range records {
		rule, what, _ := strings.Cut(strings.TrimPrefix(record.Text, l.tag+" "), " ")
		lines = append(lines, line{rule: rule, what: what, uid: agent.ProblemUID(l.settings.Node, l.boot, record.Sequence, rule)})
	}
	return lines
}

// line is a line that was written: by which rule it is a match, and of what.
type line struct {
	rule, what, uid string
}

// expected is what is to be told of the lines: the UIDs of all problems with what
// they are of, and those of all activations with the episode's number.
type expected struct {
	problems    map[string]string
	activations map[string]int
	// counts are of the series by what they are of, and names the UIDs of their first.
	counts map[string]int
	names  map[string]string
}

func (l *lives) expected(t testing.TB) expected {
	t.Helper()
	want := expected{map[string]string{}, map[string]int{}, map[string]int{}, map[string]string{}}
	for _, written := range l.lines(t) {
		uid := written.uid
		switch written.rule {
		case "problem":
			want.problems[uid] = written.what
			want.counts[written.what]++
			if want.names[written.what] == "" {
				want.names[written.what] = uid
			}
		case "hung":
			if number := slices.IndexFunc(l.episodes, func(e episode) bool { return e.task == written.what }); number >= 0 {
				want.activations[agent.TransitionUID(uid, deadlock, "True")] = number
			}
		}
	}
	require.Len(t, want.activations, len(l.episodes))
	return want
}

// stateHolds tells whether a text is in the state file.
func (l *lives) stateHolds(text string) bool {
	content, err := os.ReadFile(filepath.Join(l.settings.StateDir, "state.json"))
	return err == nil && strings.Contains(string(content), text)
}

// told are all events of all lives that match.
func (l *lives) told(t testing.TB, match func(agent.Event) bool) []agent.Event {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var events []agent.Event
	for _, a := range l.all {
		events = append(events, a.Console.Events(t, match)...)
	}
	return events
}
