package pipeline

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/log"
)

// ConditionStatus is the status of a Kubernetes condition.
type ConditionStatus string

// The statuses of a Kubernetes condition.
const (
	ConditionTrue    ConditionStatus = "True"
	ConditionFalse   ConditionStatus = "False"
	ConditionUnknown ConditionStatus = "Unknown"
)

// Condition is a node condition as it is shown.
type Condition struct {
	// Type is the condition type (KernelDeadlock).
	Type string `json:"type"`
	// Status is the status after polarity: a problem is True, or False for
	// types that say that all is well (…Ready).
	Status ConditionStatus `json:"status"`
	// State is the status before polarity.
	State State `json:"state"`
	// Reason and Message are those of the shown cause, or the healthy ones.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// LastTransitionTime is when Status last changed, in whole seconds.
	LastTransitionTime time.Time `json:"last_transition_time"`
}

// TransitionKind tells what made a [Transition].
type TransitionKind uint8

// The kinds of transitions.
const (
	// TransitionSnapshot brings the condition as it stands, first of all, to an
	// exporter that starts. Nothing has happened.
	TransitionSnapshot TransitionKind = iota
	// TransitionActivation is a cause that became a problem or unknown. It makes
	// an Event, with the cause's text, whether or not the status changed.
	TransitionActivation
	// TransitionStatus is a status that changed without an activation.
	TransitionStatus
	// TransitionMessage is another reason or message to show. It makes an Event
	// only where a rule or condition says update_message: then one series of
	// Events, with the same UID for each change.
	TransitionMessage
)

// String returns snapshot, activation, status or message.
func (k TransitionKind) String() string {
	switch k {
	case TransitionSnapshot:
		return "snapshot"
	case TransitionActivation:
		return "activation"
	case TransitionStatus:
		return "status"
	case TransitionMessage:
		return "message"
	default:
		return fmt.Sprintf("TransitionKind(%d)", uint8(k))
	}
}

// Transition is a change of a node condition.
type Transition struct {
	// UID is the identity of this transition (see [TransitionUID]).
	UID UID
	// Kind tells what made it.
	Kind TransitionKind
	// Condition is the condition after it. Where what happened is past (in an earlier
	// boot, or before a healthy status on the Node), it is as it stands now.
	Condition Condition
	// StatusChanged tells whether the status differs from the one before.
	StatusChanged bool
	// MakesEvent tells whether a Kubernetes Event belongs to it.
	MakesEvent bool
	// Severity of that Event: Warning from warn up.
	Severity log.Severity
	// Source is the component that the Event names.
	Source string
	// Cause is what made it: the activated cause, or the one that ended. Its
	// Rule is empty where no single cause did (a reboot, an operator).
	Cause Cause
	// EventMessage is the Event's text where MakesEvent is set, in NPD's words.
	EventMessage string
	// Provisional is set while the Node's own conditions are not known yet: what
	// reports to the Node leaves it out, since everything that then holds comes
	// once more.
	Provisional bool
	// Repeated is set where the same transition came before as a provisional one:
	// whoever heard that leaves it out.
	Repeated bool
}

// Cause is one reason, of one rule and instance, for which a condition is not
// healthy.
type Cause struct {
	Rule     string `json:"rule"`
	Instance string `json:"instance,omitempty"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
}
