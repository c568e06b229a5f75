// Package operator is how an operator on the node speaks with the running
// agent: HTTP with JSON over a unix socket, for root and the agent's own user
// alone.
//
//	GET  /v1/healthz           the agent's health ([health.Report])
//	GET  /v1/conditions        the conditions and all that holds them
//	POST /v1/conditions/clear  {"type": …, "request_id": …} → [Cleared]
//	GET  /v1/rules             the rules, and which are silenced ([Rule])
//	POST /v1/rules/silence     {"rule": …, "for": "2h", "request_id": …} → [Silenced]
//	POST /v1/rules/unsilence   {"rule": …, "request_id": …} → [Unsilenced]
//	POST /v1/reload            {"request_id": …} → [Reloaded]
//
// An answer other than 200 is {"error": "…"} in words for the operator: 404 for
// a condition or a rule that is not known, 422 for a configuration that is
// refused, with each of its errors on a line.
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
	pathRules      = "/v1/rules"
	pathSilence    = "/v1/rules/silence"
	pathUnsilence  = "/v1/rules/unsilence"
	pathReload     = "/v1/reload"
)

var (
	// ErrRunning is another agent that has the socket.
	ErrRunning = errors.New("another otelnpd is running")
	// ErrUnknownCondition is a request about a condition type that the agent
	// does not know.
	ErrUnknownCondition = errors.New("no such condition")
	// ErrUnknownRule is a request about a rule that the agent does not have.
	ErrUnknownRule = errors.New("no such rule")
	// ErrReloadRefused is a configuration that cannot take the place of the running
	// one: [RefuseReload] makes it.
	ErrReloadRefused = errors.New("the configuration is refused and the one before runs on")
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
