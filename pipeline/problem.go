package pipeline

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/log"
)

// State is what is known of a thing: a cause, a check, a condition.
type State uint8

// The states. The zero value is unknown: silence is not health.
const (
	StateUnknown State = iota
	StateOK
	StateProblem
)

// String returns unknown, ok or problem.
func (s State) String() string {
	switch s {
	case StateUnknown:
		return "unknown"
	case StateOK:
		return "ok"
	case StateProblem:
		return "problem"
	default:
		return fmt.Sprintf("State(%d)", uint8(s))
	}
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(text []byte) error {
	for _, state := range []State{StateUnknown, StateOK, StateProblem} {
		if state.String() == string(text) {
			*s = state
			return nil
		}
	}
	return fmt.Errorf("%q is no state: want unknown, ok or problem", text)
}

// Problem is what a rule saw in a line, or the verdict of a check.
//
//   - a line that matches a rule's pattern: State is problem, Verdict is nil
//   - a line that matches a rule's recovery: State is ok, Verdict is nil
//   - a check that has run: any State, Verdict is set
//
// Its strings own their memory.
type Problem struct {
	// UID is the identity of this one occurrence (see [ProblemUID]).
	UID UID `json:"uid,omitzero"`
	// Rule is the id of the rule or check, PACK/ID for rules of a pack.
	Rule string `json:"rule"`
	// Class is the rule's class of problem (kernel-oops, hung-task …), or empty.
	Class string `json:"class,omitempty"`
	// Condition is the condition type it acts on; empty: an event.
	Condition string `json:"condition,omitempty"`
	// Reason is a CamelCase word for machines.
	Reason string `json:"reason,omitempty"`
	// Message is for people.
	Message string `json:"message,omitempty"`
	// Severity decides the type of a Kubernetes Event: Warning from warn up.
	Severity log.Severity `json:"severity,omitempty"`
	// Instance is the part of the node that it is about (a disk, a mount), or
	// empty for the node as a whole.
	Instance string `json:"instance,omitempty"`
	// Source is the component that Kubernetes Events name: NPD's source.
	Source string `json:"source,omitempty"`
	// State is problem, ok or unknown.
	State State `json:"state"`
	// Count is how many occurrences this one stands for: 1, or those a
	// threshold gathered.
	Count int `json:"count,omitempty"`
	// Observe is set by rules in mode observe: logs by OTLP and the agent's own
	// metrics alone.
	Observe bool `json:"observe,omitempty"`
	// Verdict is set on the verdicts of checks.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Verdict is what a check's run adds to its Problem.
type Verdict struct {
	// Boot and Start are the boot and its clock when the run started: what
	// happened after that the check may not have seen.
	Boot  string        `json:"boot,omitempty"`
	Start time.Duration `json:"start,omitempty"`
	// Between tells that what was measured lies between the limit at which a problem
	// begins and the one at which it ends: what holds goes on.
	Between bool `json:"between,omitempty"`
	// Complete tells, on an ok without an instance, that the run has named all
	// instances that there are: those that it has not named are gone.
	Complete bool `json:"complete,omitempty"`
}
