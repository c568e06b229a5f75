package condition

import (
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// State is all that the machine knows. It is plain data: encoding/json writes
// and reads it. [State.Step] changes it; the same inputs at the same times give
// the same state.
type State struct {
	// Node is the node's name, part of the identity of transitions that no line
	// and no verdict made.
	Node string `json:"node"`
	// Boot is the boot that the state lives in; Boots are those before it that
	// it has seen, oldest first.
	Boot  BootSpan   `json:"boot"`
	Boots []BootSpan `json:"boots,omitempty"`
	// Latest is the boot clock of the newest input in Boot: the boot has lasted that
	// long at least.
	Latest time.Duration `json:"latest,omitempty"`
	// Started is when the agent started.
	Started pipeline.Instant `json:"started"`
	// Types holds every declared condition.
	Types map[string]*TypeState `json:"types,omitempty"`
	// Events holds the trackers of rules that act on no condition.
	Events Causes `json:"events,omitempty"`
	// Fired are the newest problems that fired without a condition.
	Fired FiredLog `json:"fired,omitzero"`
	// Rules holds what belongs to a rule as a whole.
	Rules map[string]*RuleState `json:"rules,omitempty"`
	// Receivers holds how far each receiver is.
	Receivers map[string]*ReceiverState `json:"receivers,omitempty"`
	// AwaitsReceivers is set after a start until the receivers are known: before
	// that nobody can tell that the backlog is over. ReceiversKnown is set after
	// that: what is not in Receivers then feeds no condition.
	AwaitsReceivers bool `json:"awaits_receivers,omitempty"`
	ReceiversKnown  bool `json:"receivers_known,omitempty"`
	// VerdictsIn is set once no first verdict is waited for; it comes on its own
	// when the boot clock reaches VerdictsBy.
	VerdictsIn bool          `json:"verdicts_in"`
	VerdictsBy time.Duration `json:"verdicts_by"`
	// Delete are the types to be removed from the Node.
	Delete []string `json:"delete,omitempty"`
	// Silences are the rules that an operator has silenced, by id.
	Silences map[string]*Silence `json:"silences,omitempty"`
	// ConfigHash names the configuration that the state was judged by last.
	ConfigHash string `json:"config_hash"`
	// Uses counts the uses of causes, to find the least recently used.
	Uses uint64 `json:"uses"`
	// Instances counts the instances of all rules.
	Instances int `json:"instances"`

	// freed counts the causes that came to an end, so that no search for a free
	// place is made twice in vain.
	freed uint64
	// due is a lower bound of the boot clock at which a timer is due; 0: none.
	due time.Duration
}

// BootSpan is a boot and when it began, by the wall clock.
type BootSpan struct {
	ID    string    `json:"id"`
	Start time.Time `json:"start"`
}

// TypeState is the state of a condition.
type TypeState struct {
	// Shown is the condition as it was shown last.
	Shown pipeline.Condition `json:"shown"`
	// Previous is the transition time of the status before the shown one.
	Previous time.Time `json:"previous,omitzero"`
	// Causes are all causes that were ever active and not forgotten since.
	Causes Causes `json:"causes,omitempty"`
	// ClearedUpTo is the order up to which an operator, or a healthy status on
	// the Node, has cleared the type.
	ClearedUpTo pipeline.Order `json:"cleared_up_to,omitzero"`
	// Levels are the checks that act on the condition.
	Levels []string `json:"levels,omitempty"`
	// Removed is set while the type is healthy because a rule was removed: the
	// id of that rule.
	Removed string `json:"removed,omitempty"`
	// Source is what Events name when no single cause made them.
	Source string `json:"source,omitempty"`
	// Pin keeps the Node's transition time through the backlog.
	Pin *Pin `json:"pin,omitempty"`
	// Healed is set while lines up to a healthy status on the Node are replayed.
	Healed *Healed `json:"healed,omitempty"`
	// Patched is the last PATCH that the Node accepted; nil: the agent does not
	// know that it owns the type.
	Patched *Patched `json:"patched,omitempty"`
	// Claimed is set from just before the first PATCH until it is known to be
	// accepted: the agent may own the type.
	Claimed bool `json:"claimed,omitempty"`
	// Taken is what the Node said at the last start, until it accepts a PATCH.
	Taken *Patched `json:"taken,omitempty"`
	// Update is the message that waits for its minute.
	Update *Update `json:"update,omitempty"`
	// UpdatedAt is when the message was changed last, on the boot clock.
	UpdatedAt time.Duration `json:"updated_at,omitempty"`
}

// Pin is a transition time read from the Node: no input up to UpTo moves it.
type Pin struct {
	Status pipeline.ConditionStatus `json:"status"`
	UpTo   pipeline.Order           `json:"up_to"`
	// Moved is when the Node's status moved: the time whenever the status is that one.
	Moved time.Time `json:"moved"`
}

// Healed is a healthy status on the Node whose lines are being replayed.
type Healed struct {
	UpTo pipeline.Order `json:"up_to"`
	// Passed are the receivers that have told of something later.
	Passed map[string]bool `json:"passed,omitempty"`
	// Problem tells whether the type was a problem then, as far as it was replayed.
	Problem bool `json:"problem,omitempty"`
}

// Update is a changed message of an active cause.
type Update struct {
	Key     Key       `json:"key"`
	Message string    `json:"message"`
	Time    time.Time `json:"time"`
}

// RuleState is what belongs to a rule as a whole.
type RuleState struct {
	// Answered, for a level, is set once it has given a verdict since the start;
	// Spoken once it has said problem or ok, ever; SaidEither since the start,
	// and SaidOK once it has said ok of the node as a whole since the start.
	Answered   bool `json:"answered,omitempty"`
	Spoken     bool `json:"spoken,omitempty"`
	SaidEither bool `json:"said_either,omitempty"`
	SaidOK     bool `json:"said_ok,omitempty"`
	// Run is the newest run of a level.
	Run Run `json:"run,omitzero"`
	// Cleared is the tombstone of all instances.
	Cleared pipeline.Order `json:"cleared,omitzero"`
	// Seen is the newest line of each source, to know replays.
	Seen []Seen `json:"seen,omitempty"`
	// Instances counts the rule's instances.
	Instances int `json:"instances,omitempty"`

	// full is one more than the state's freed when no place was found; until then
	// no search is made again, unless something becomes free.
	full      uint64
	fullUntil time.Duration
}

// Run is what one run of a check has said so far.
type Run struct {
	// Start is when it began.
	Start pipeline.BootTime `json:"start"`
	// Bad is set once it has said something else than ok, or a figure between two limits.
	Bad bool `json:"bad,omitempty"`
	// Open is set once it has said such a thing of what is not shown as a problem.
	Open bool `json:"open,omitempty"`
}

// Seen is the newest line that a receiver told the rule from one source.
type Seen struct {
	Receiver string         `json:"receiver"`
	Place    pipeline.Place `json:"place"`
}

// Backlog is how far a receiver is with what it found at start.
type Backlog string

// The states of a backlog. The zero value: none is expected.
const (
	BacklogPending Backlog = "pending"
	BacklogEnded   Backlog = "ended"
)

// ReceiverState is what the machine knows of a receiver.
type ReceiverState struct {
	Backlog  Backlog `json:"backlog,omitempty"`
	Complete bool    `json:"complete,omitempty"`
	// Degraded is set while it cannot read its source, since Since of the boot
	// clock.
	Degraded bool          `json:"degraded,omitempty"`
	Since    time.Duration `json:"since,omitempty"`
}

// Key names a cause of a condition, or a tracker of an event's rule.
type Key struct {
	// Rule is a rule's id, or one of the names in parentheses that no rule has.
	Rule     string `json:"rule"`
	Instance string `json:"instance,omitempty"`
	// Boot is empty for the current boot, and for rules that outlive it.
	Boot string `json:"boot,omitempty"`
	// FromNode is set where the Node told of it and no line has yet.
	FromNode bool `json:"from_node,omitempty"`
	// Silenced is set for what is gathered while the rule is silenced.
	Silenced bool `json:"silenced,omitempty"`
}

// Names of causes that no rule and no instance has.
const (
	// RestoredRule is the rule of a cause read from the Node that no rule
	// explains.
	RestoredRule = "(restored)"
	// OthersRule is the rule of the causes that the Node counted and did not
	// name.
	OthersRule = "(others)"
	// OtherInstance is what instances beyond the limit join.
	OtherInstance = "(other)"
)

// Reasons that the machine itself gives.
const (
	// ReasonEarlierCauses is the reason of OthersRule.
	ReasonEarlierCauses = "EarlierCauses"
	// ReasonRuleRemoved is shown where a reload took the last cause away.
	ReasonRuleRemoved = "RuleRemoved"
	// ReasonNotYetChecked is shown for a check that has never given a verdict.
	ReasonNotYetChecked = "NotYetChecked"
)

// Cause is a cause of a condition, or the tracker of an event's rule.
type Cause struct {
	Key
	// State is problem or unknown while it holds, else ok.
	State pipeline.State
	// Restored is set where it was read from the Node and no line or verdict has
	// confirmed it yet.
	Restored bool
	// Reason to UID are frozen at the activation.
	Reason   string
	Message  string
	Source   string
	Severity log.Severity
	UID      pipeline.UID
	// T is the activation, Last the newest match, Cleared the tombstone: nothing
	// up to it activates.
	T       pipeline.Order
	Last    pipeline.Order
	Cleared pipeline.Order
	// Since and LastTime are T and Last by the wall clock.
	Since    time.Time
	LastTime time.Time
	// Receiver told of it last.
	Receiver string
	// Armed is the boot clock from which its ttl runs, Paused how long it has
	// stood still since; while Standing, it does so since PausedFrom.
	Armed      time.Duration
	Paused     time.Duration
	PausedFrom time.Duration
	Standing   bool
	// Hits are the matches that a threshold has gathered, by order; Fired those
	// that it gave when it fired last.
	Hits  []Hit
	Fired []pipeline.UID
	// OKStart is the start of the first run that said ok of some instance, while
	// the Node had told no instance of this one.
	OKStart pipeline.BootTime
	// Level is set for checks.
	Level *LevelState
	// Used orders causes by use.
	Used uint64
}

// Hit is a match that a threshold has gathered.
type Hit struct {
	Order pipeline.Order
	UID   pipeline.UID
}

// LevelState is what a check has said lately.
type LevelState struct {
	// Streak is what it said last, problem or ok; unknown: nothing.
	Streak pipeline.State `json:"streak"`
	// Count is how often in a row, up to the threshold; Since the boot clock of
	// the first; Settled whether it has been long and often enough.
	Count   int           `json:"count,omitempty"`
	Since   time.Duration `json:"since,omitempty"`
	Settled bool          `json:"settled,omitempty"`
	// Start is the start of the newest run.
	Start pipeline.BootTime `json:"start"`
	// Between tells that the newest figure lay between two limits, Unknown that the
	// newest verdict could not tell. Of the node as a whole Unknown tells that the newest
	// complete run was bad, and Between that it was open ([Run]).
	Between bool `json:"between,omitempty"`
	Unknown bool `json:"unknown,omitempty"`
	// Holds is set, where no condition holds it, from the problem that settles to the ok
	// that settles.
	Holds bool `json:"holds,omitempty"`
}

// repeats tells whether a verdict says what the one before said, and what has settled.
func (l *LevelState) repeats(said *pipeline.Problem) bool {
	if l.Between != said.Verdict.Between || l.Unknown != (said.State == pipeline.StateUnknown) {
		return false
	}
	return l.Unknown || (l.Settled && l.Streak == said.State)
}

// note notes what a verdict says.
func (l *LevelState) note(said *pipeline.Problem) {
	l.Between, l.Unknown = said.Verdict.Between, said.State == pipeline.StateUnknown
}

// active tells whether the cause holds its condition.
func (c *Cause) active() bool { return c.State != pipeline.StateOK && c.Boot == "" }

func (s *State) receiver(id string) *ReceiverState {
	r, known := s.Receivers[id]
	if !known {
		r = &ReceiverState{}
		s.Receivers[id] = r
	}
	return r
}

// stranger tells whether a receiver is none of those that feed the conditions: one
// that a reload has taken away may still have something to say of itself.
func (s *State) stranger(id string) bool { return s.ReceiversKnown && s.Receivers[id] == nil }

func (s *State) rule(id string) *RuleState {
	r, known := s.Rules[id]
	if !known {
		r = &RuleState{}
		s.Rules[id] = r
	}
	return r
}

// backlogOver tells whether all that was found at start has been judged. A
// source that cannot be read holds nobody up: its own timers stand still.
func (s *State) backlogOver() bool {
	if s.AwaitsReceivers {
		return false
	}
	for _, r := range s.Receivers {
		if r.Backlog == BacklogPending && !r.Degraded {
			return false
		}
	}
	return true
}

// Settled tells whether the backlog and the first verdicts are in: before that
// the Node is told nothing.
func (s *State) Settled() bool { return s.VerdictsIn && s.backlogOver() }
