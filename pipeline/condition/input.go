package condition

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Now is the time at which an input is judged. The machine reads no clock of
// its own.
type Now struct {
	pipeline.Instant
	// Current is the boot that the agent runs in.
	Current pipeline.Boot
}

// wallAt returns the wall time of an instant of the boot clock.
func (n Now) wallAt(boot time.Duration) time.Time { return n.Wall.Add(boot - n.Boot) }

// orderAt returns the order of an instant of the current boot's clock.
func (n Now) orderAt(boot time.Duration) pipeline.Order {
	return pipeline.Order{Boot: pipeline.BootTime{ID: n.Current.ID, At: boot}}
}

// orderOf returns the order of a wall time in the current boot. The clock may
// have been stepped since: it is the best that is known of times that the Node
// tells.
func (n Now) orderOf(wall time.Time) pipeline.Order {
	return n.orderAt(wall.Sub(n.Current.Start))
}

// Input is what can change a [State]: one of the types below.
type Input interface{ input() }

// Occurrence is what matches, recoveries and verdicts have in common. The
// problem's strings must outlive the batch that brought it.
type Occurrence struct {
	Problem *pipeline.Problem
	// Order is its place in the order of things.
	Order pipeline.Order
	// Time is when it happened, by the wall clock.
	Time time.Time
	// Receiver is the id of the receiver that read it.
	Receiver string
}

// Match is a line that a rule's pattern matches.
type Match struct{ Occurrence }

// Recovery is a line that tells of a rule's recovery. Its problem's message is
// the rule's activation message rendered with the recovery's groups, or empty;
// an empty instance clears all of the rule.
type Recovery struct{ Occurrence }

// Verdict is what one run of a check says; its problem's Verdict is set.
type Verdict struct{ Occurrence }

// OperatorClear is an operator's order to end all causes of a condition.
type OperatorClear struct {
	Type string
	// RequestID identifies the request: the same one told twice makes one Event.
	RequestID string
}

// Tick lets the timers that are due act. Every input does so first; a tick does
// nothing else.
type Tick struct{}

// NewBoot tells that the agent runs in another boot than the state was made in:
// the one that [Now] names.
type NewBoot struct{}

// Reload tells that the book in hand has taken the place of another.
type Reload struct{}

// Restart tells, where what has come since the start is gone through again, that
// the agent was started anew in between ([State.Begin]).
type Restart struct{}

// Receivers names the receivers that feed the conditions. The backlog of those
// that are new comes before the timers act and the state is settled.
type Receivers struct{ IDs []string }

// BacklogEnd tells that a receiver has passed on all that it found at start.
type BacklogEnd struct {
	Receiver string
	// Complete tells that the backlog began where the boot did, or where the state
	// ends: nothing of this boot is missing.
	Complete bool
}

// FirstVerdicts tells that no first verdict is to be waited for any longer.
type FirstVerdicts struct{}

// SourceState tells whether a receiver can read its source.
type SourceState struct {
	Receiver string
	Degraded bool
}

// Seed is what the Node said when the agent read it at its start.
type Seed struct {
	// Conditions are the Node's conditions, of any type.
	Conditions []NodeCondition
	// Marker is the boot id in the marker that the agent leaves in the run
	// directory after the first PATCH of a boot; empty: there is none.
	Marker string
	// NodeBootID is status.nodeInfo.bootID of the Node; empty: not known.
	NodeBootID string
}

// NodeCondition is a condition as it stands on the Node. Its times are whole
// seconds of the wall clock.
type NodeCondition struct {
	Type               string
	Status             pipeline.ConditionStatus
	Reason             string
	Message            string
	LastTransitionTime time.Time
	LastHeartbeatTime  time.Time
}

// Patched tells that the Node has accepted a condition: from now on the agent
// owns the type.
type Patched struct {
	Type               string                   `json:"type"`
	Status             pipeline.ConditionStatus `json:"status"`
	Reason             string                   `json:"reason"`
	Message            string                   `json:"message"`
	LastTransitionTime time.Time                `json:"last_transition_time"`
}

// Deleted tells that a type that is no longer declared is gone from the Node.
type Deleted struct{ Type string }

func (*Match) input()         {}
func (*Recovery) input()      {}
func (*Verdict) input()       {}
func (*OperatorClear) input() {}
func (*Tick) input()          {}
func (*NewBoot) input()       {}
func (*Reload) input()        {}
func (*Restart) input()       {}
func (*Receivers) input()     {}
func (*BacklogEnd) input()    {}
func (*FirstVerdicts) input() {}
func (*SourceState) input()   {}
func (*Seed) input()          {}
func (*Patched) input()       {}
func (*Deleted) input()       {}

// Drop says why a match or verdict changed nothing although it had something to
// say. The zero value is no drop.
type Drop string

// The reasons of drops.
const (
	// DropUnknownRule: no rule or check has that id.
	DropUnknownRule Drop = "unknown_rule"
	// DropRepeated: the same line or verdict has been judged before.
	DropRepeated Drop = "repeated"
	// DropCleared: it is older than a recovery, an operator's clear or a check's
	// ok that has been judged already.
	DropCleared Drop = "cleared"
	// DropInstanceLimit: the rule has a threshold and all of its places for
	// instances are taken.
	DropInstanceLimit Drop = "instance_limit"
	// DropEarlierBoot: a verdict from another boot.
	DropEarlierBoot Drop = "earlier_boot"
	// DropNoVerdict: an unknown that no check has said.
	DropNoVerdict Drop = "no_verdict"
)

// Drops are all reasons of drops.
var Drops = []Drop{DropUnknownRule, DropRepeated, DropCleared, DropInstanceLimit, DropEarlierBoot, DropNoVerdict}

// Change is a transition and when it happened, by the wall clock.
type Change struct {
	pipeline.Transition
	Time time.Time
	// problem is set where the transition's cause is a problem.
	problem bool
}

// Unexplained is a cause taken over from the Node that no rule explains.
type Unexplained struct {
	Type string
	pipeline.Cause
}

// Outcome is what an input brought about.
type Outcome struct {
	// Changes are the transitions, in order.
	Changes []Change
	// Fired is a problem that acts on no condition and has passed its threshold;
	// its Count is how many matches it stands for.
	Fired *pipeline.Problem
	// Again tells that it has fired before: it is told once more, under the same
	// identity, and not counted.
	Again bool
	// Silenced tells that a silence has kept it from conditions and Events.
	Silenced bool
	// Dropped tells why the input was not heard.
	Dropped Drop
	// JoinedOther tells that the match joined the instance (other).
	JoinedOther bool
	// Unexplained are causes of the Node that only a boot, the operator or all
	// checks together can end.
	Unexplained []Unexplained

	// seeded is set where the Node has been taken over.
	seeded bool
	// trace is what a late seed needs to know of the input.
	trace trace
}
