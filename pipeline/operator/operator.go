// Package operator is how an operator on the node speaks with the running
// agent: HTTP with JSON over a unix socket, for root and the agent's own user
// alone.
//
//	GET  /v1/healthz           the agent's health ([health.Report])
//	GET  /v1/conditions        the conditions and all that holds them
//	POST /v1/conditions/clear  {"type": …, "request_id": …}
//
// An answer other than 200 is {"error": "…"} in words for the operator.
package operator

import (
	"errors"

	"github.com/otelnpd/otelnpd/pipeline"
)

// DefaultPath is where the socket is unless configured.
const DefaultPath = "/run/otelnpd/otelnpd.sock"

const (
	pathHealth     = "/v1/healthz"
	pathConditions = "/v1/conditions"
	pathClear      = "/v1/conditions/clear"
)

var (
	// ErrRunning is another agent that has the socket.
	ErrRunning = errors.New("another otelnpd is running")
	// ErrUnknownCondition is a request about a condition type that the agent
	// does not know.
	ErrUnknownCondition = errors.New("no such condition")
	// ErrNotRunning is a socket that no agent listens on.
	ErrNotRunning = errors.New("otelnpd is not running")
	// ErrNotAllowed is an operator who is neither root nor the agent's own user.
	ErrNotAllowed = errors.New("only root and the agent's own user may do this")
)

// Cleared is the answer to a request to clear a condition.
type Cleared struct {
	// Condition is the condition after it.
	Condition pipeline.Condition `json:"condition"`
	// Causes is how many causes the request ended; 0: there were none.
	Causes int `json:"causes"`
	// Note is for the operator: what is not as it should be, such as a state
	// file that could not be written; or empty.
	Note string `json:"note,omitempty"`
}
