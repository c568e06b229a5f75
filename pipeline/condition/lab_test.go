package condition

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

const (
	bootA = "aaaaaaaa-0000-4000-8000-000000000000"
	bootB = "bbbbbbbb-0000-4000-8000-000000000000"
	bootC = "cccccccc-0000-4000-8000-000000000000"
)

// bootStart is when boot A began. All times of the tests are seconds since then.
var bootStart = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func wall(s float64) time.Time { return bootStart.Add(seconds(s)) }

// lab is a machine on a bench: it holds the clock, numbers the lines of each
// source and collects what comes out.
type lab struct {
	t    *testing.T
	book *Book
	s    *State
	now  Now

	lines   map[string]uint64
	all     []Change
	changes []Change // since the last look
	fired   []pipeline.Problem
	last    Outcome
}

// newLab starts an agent 1000 s after boot A began.
func newLab(t *testing.T, config *Config) *lab {
	t.Helper()
	l := &lab{t: t, lines: map[string]uint64{}, now: Now{Current: pipeline.Boot{ID: bootA, Start: bootStart}}}
	l.at(1000)
	l.book = newTestBook(t, config)
	l.s = NewState("node-1", l.book, l.now)
	return l
}

func newTestBook(t *testing.T, config *Config) *Book {
	t.Helper()
	for i := range config.Types {
		typ := &config.Types[i]
		if typ.HealthyReason == "" {
			typ.HealthyReason, typ.HealthyMessage = "AllWell", "all is well"
		}
	}
	if config.Hash == "" {
		config.Hash = "hash-1"
	}
	book, err := NewBook(config)
	require.NoError(t, err)
	return book
}

// at sets both clocks, in seconds since the boot.
func (l *lab) at(s float64) {
	l.now.Boot = seconds(s)
	l.now.Wall = l.now.Current.Start.Add(seconds(s))
}

// stepWall sets the wall clock alone.
func (l *lab) stepWall(s float64) { l.now.Wall = l.now.Wall.Add(seconds(s)) }

func (l *lab) step(in Input) Outcome {
	l.t.Helper()
	before := snapshotOf(l.s)
	l.last = l.s.Step(l.book, in, l.now)
	l.changes = append(l.changes, l.last.Changes...)
	l.all = append(l.all, l.last.Changes...)
	if l.last.Fired != nil && !l.last.Again {
		l.fired = append(l.fired, *l.last.Fired)
	}
	checkOutcome(l.t, l.book, before, l.s, l.last, l.now)
	return l.last
}

// line says how a line or verdict differs from the usual one: now, from kmsg, of
// this boot, about the node as a whole.
type line struct {
	rule     string
	instance string
	message  string
	receiver string
	boot     string
	at       float64 // 0: now
	place    uint64  // 0: the next one
	severity log.Severity
	state    pipeline.State // of verdicts
	start    float64        // of a verdict's run; 0: now
	between  bool
	complete bool
}

func (l *lab) occurrence(in line, state pipeline.State) Occurrence {
	if in.receiver == "" {
		in.receiver = "kmsg"
	}
	at := l.now.Boot
	if in.at != 0 {
		at = seconds(in.at)
	}
	boot := pipeline.BootTime{ID: l.now.Current.ID, At: at}
	when := l.now.Current.Start.Add(at)
	if in.boot != "" {
		boot.ID = in.boot
		when = when.Add(-24 * time.Hour)
	}
	rule := l.book.byRule[in.rule]
	problem := pipeline.Problem{
		Rule: in.rule, Message: in.message, Instance: in.instance, State: state, Count: 1, Severity: in.severity,
	}
	if rule != nil {
		problem.Condition, problem.Reason, problem.Source, problem.Observe = rule.Condition, rule.Reason, rule.Source, rule.Observe
	}
	if problem.Message == "" {
		problem.Message = "message of " + in.rule + in.instance
	}
	return Occurrence{Problem: &problem, Order: pipeline.Order{Boot: boot}, Time: when, Receiver: in.receiver}
}

func (l *lab) read(in line, state pipeline.State) Occurrence {
	o := l.occurrence(in, state)
	if in.place == 0 {
		l.lines[o.Receiver]++
		in.place = l.lines[o.Receiver]
	}
	o.Order.Place = pipeline.Place{Scope: o.Order.Boot.ID, Source: o.Receiver, Position: in.place}
	o.Problem.UID = pipeline.ProblemUID("node-1", o.Order.Place, in.rule)
	return o
}

func (l *lab) match(in line) Outcome {
	l.t.Helper()
	return l.step(&Match{l.read(in, pipeline.StateProblem)})
}

func (l *lab) matches(rules ...string) {
	l.t.Helper()
	for _, rule := range rules {
		l.match(line{rule: rule})
	}
}

func (l *lab) recover(in line) Outcome {
	l.t.Helper()
	return l.step(&Recovery{l.read(in, pipeline.StateOK)})
}

func (l *lab) verdict(in line) Outcome {
	l.t.Helper()
	o := l.occurrence(in, in.state)
	start := l.now.Boot
	if in.start != 0 {
		start = seconds(in.start)
	}
	o.Problem.Verdict = &pipeline.Verdict{Boot: o.Order.Boot.ID, Start: start, Between: in.between, Complete: in.complete}
	o.Problem.UID = pipeline.VerdictUID("node-1", o.Order.Boot.ID, in.rule, in.instance, start)
	return l.step(&Verdict{o})
}

func (l *lab) says(check string, state pipeline.State) Outcome {
	l.t.Helper()
	return l.verdict(line{rule: check, state: state})
}

// runs lets a check run that says so of instances and names them all: "a problem",
// "b ok", "c between", "d unknown".
func (l *lab) runs(check string, says ...string) {
	l.t.Helper()
	for _, one := range says {
		instance, state, _ := strings.Cut(one, " ")
		in := line{rule: check, instance: instance, between: state == "between", state: ok}
		if state != "between" {
			require.NoError(l.t, in.state.UnmarshalText([]byte(state)))
		}
		l.verdict(in)
	}
	l.verdict(line{rule: check, state: ok, complete: true})
}

func (l *lab) tick(s float64) Outcome {
	l.t.Helper()
	l.at(s)
	return l.step(&Tick{})
}

func (l *lab) clear(conditionType string) Outcome {
	l.t.Helper()
	return l.step(&OperatorClear{Type: conditionType, RequestID: "request-1"})
}

func (l *lab) expect(receivers ...string) { l.step(&Receivers{IDs: receivers}) }

func (l *lab) ends(receivers ...string) {
	for _, r := range receivers {
		l.step(&BacklogEnd{Receiver: r, Complete: true})
	}
}

func (l *lab) reload(config *Config) Outcome {
	l.t.Helper()
	config.Hash = "hash-2"
	l.book = newTestBook(l.t, config)
	return l.step(&Reload{})
}

// lost begins anew without state, as after the agent was killed.
func (l *lab) lost() {
	l.s = NewState("node-1", l.book, l.now)
	l.changes = nil
	l.lines = map[string]uint64{}
}

// reboot starts boot B or C on the clock of its own, the agent 10 s after it.
func (l *lab) reboot(id string, after float64) {
	l.now.Current = pipeline.Boot{ID: id, Start: l.now.Wall.Add(seconds(after))}
	l.at(10)
	l.lines = map[string]uint64{}
}

// seen returns what has changed since the last look, one line each.
func (l *lab) seen() []string {
	var lines []string
	for i := range l.changes {
		lines = append(lines, describe(&l.changes[i]))
	}
	l.changes = nil
	return lines
}

// describe writes a transition as KIND TYPE=STATUS REASON "MESSAGE" @TIME, the
// Event's severity and text behind it.
func describe(c *Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s @%s", c.Kind, shown(c.Condition), offset(c.Condition.LastTransitionTime))
	if c.StatusChanged {
		b.WriteString(" changed")
	}
	if c.MakesEvent {
		kind := "Normal"
		if c.Severity >= log.SeverityWarn {
			kind = "Warning"
		}
		fmt.Fprintf(&b, " %s %s", kind, c.Cause.Reason)
	}
	return b.String()
}

func shown(c pipeline.Condition) string {
	return fmt.Sprintf("%s=%s %s %q", c.Type, c.Status, c.Reason, c.Message)
}

func offset(t time.Time) string { return t.Sub(bootStart).String() }

// stands returns how a condition stands: STATUS REASON "MESSAGE" @TIME.
func (l *lab) stands(conditionType string) string {
	c := l.s.Types[conditionType].Shown
	return fmt.Sprintf("%s %s %q @%s", c.Status, c.Reason, c.Message, offset(c.LastTransitionTime))
}

func (l *lab) status(conditionType string) pipeline.ConditionStatus {
	return l.s.Types[conditionType].Shown.Status
}

// node returns what the API would hold if all conditions were patched now.
func (l *lab) node() []NodeCondition {
	var conditions []NodeCondition
	for _, t := range l.book.types {
		c := l.s.Types[t.Name].Shown
		conditions = append(conditions, NodeCondition{
			Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message,
			LastTransitionTime: c.LastTransitionTime, LastHeartbeatTime: wholeSecond(l.now.Wall),
		})
	}
	return conditions
}

func (l *lab) seed(conditions ...NodeCondition) Outcome {
	l.t.Helper()
	return l.step(&Seed{Conditions: conditions, NodeBootID: l.now.Current.ID})
}

// on makes a condition of the Node, with times in seconds of boot A.
func on(conditionType string, status pipeline.ConditionStatus, reason, message string, since, heartbeat float64) NodeCondition {
	return NodeCondition{
		Type: conditionType, Status: status, Reason: reason, Message: message,
		LastTransitionTime: wholeSecond(wall(since)), LastHeartbeatTime: wholeSecond(wall(heartbeat)),
	}
}

// snapshotOf keeps what every step is checked against.
func snapshotOf(s *State) map[string]pipeline.Condition {
	conditions := map[string]pipeline.Condition{}
	for name, ts := range s.Types {
		conditions[name] = ts.Shown
	}
	return conditions
}

// checkOutcome holds every step of every test against what must be true of all.
func checkOutcome(t *testing.T, book *Book, before map[string]pipeline.Condition, s *State, out Outcome, now Now) {
	t.Helper()
	if err := invariants(book, before, s, out, now); err != nil {
		t.Fatal(err)
	}
}
