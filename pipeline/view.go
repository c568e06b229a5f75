package pipeline

import "time"

// ConditionView is a condition with all that holds it, for the operator.
type ConditionView struct {
	Condition
	Causes []ActiveCause
}

// ActiveCause is a cause that holds a condition.
type ActiveCause struct {
	Cause
	UID UID
	// State is problem or unknown.
	State State
	// Since is its activation, Last its newest match.
	Since, Last time.Time
	// Restored is set where it was taken over from the Node and no line or
	// verdict has confirmed it yet.
	Restored bool
}
