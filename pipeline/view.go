package pipeline

import "time"

// ConditionView is a condition with all that holds it, for the operator.
type ConditionView struct {
	Condition
	Causes []ActiveCause `json:"causes"`
}

// ActiveCause is a cause that holds a condition.
type ActiveCause struct {
	Cause
	UID UID `json:"uid"`
	// State is problem or unknown.
	State State `json:"state"`
	// Since is its activation, Last its newest match.
	Since time.Time `json:"since"`
	Last  time.Time `json:"last"`
	// Restored is set where it was taken over from the Node and no line or
	// verdict has confirmed it yet.
	Restored bool `json:"restored,omitempty"`
}
