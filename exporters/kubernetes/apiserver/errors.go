package apiserver

import (
	"errors"
	"fmt"
	"time"
)

// Kind tells what is wrong with a request, and so what its sender does next.
type Kind uint8

// The kinds of errors. All but Refused are worth another try; what has to come
// between is said with each.
const (
	// NoCredentials: nothing was sent, since it is not known where to, or as
	// whom. They are looked for again with the next request.
	NoCredentials Kind = iota + 1
	// Unreachable: there was no answer, or not a whole one. The request may have
	// been carried out.
	Unreachable
	// Unauthorized: the server does not know the identity (401). The credentials
	// are read anew with the next request.
	Unauthorized
	// Forbidden: the identity may not do this (403).
	Forbidden
	// NotFound: the Node, or the Event's namespace, does not exist (404).
	NotFound
	// UIDChanged: the Node was made anew under its name. The patch was not
	// applied; the Node is to be read again first.
	UIDChanged
	// Conflict: somebody else wrote at the same moment (409).
	Conflict
	// Throttled: the server (429), or the configured rate, takes no more for now.
	Throttled
	// ServerError: the server cannot answer now (5xx), or what answers is not
	// kube-apiserver.
	ServerError
	// Refused: this request will never be taken, as often as it is sent (400,
	// 413, 422 and the like).
	Refused
)

var kindNames = [...]string{
	NoCredentials: "no_credentials", Unreachable: "unreachable", Unauthorized: "unauthorized",
	Forbidden: "forbidden", NotFound: "not_found", UIDChanged: "uid_changed", Conflict: "conflict",
	Throttled: "throttled", ServerError: "server_error", Refused: "refused",
}

// String returns the kind as a metric's attribute has it: no_credentials,
// unreachable, unauthorized, forbidden, not_found, uid_changed, conflict,
// throttled, server_error or refused.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ErrClosed is the cause of the errors of a client that is closed.
var ErrClosed = errors.New("the client is closed")

// Error is what every method of [Client] returns on failure.
type Error struct {
	Kind Kind
	// Code is the HTTP status; 0: there was no answer.
	Code int
	// RetryAfter is how long the server asks to be left alone; 0: it does not say.
	RetryAfter time.Duration
	// Remedy says what an operator can do.
	Remedy string
	// Err says what was being done, to what, and what went wrong.
	Err error
}

// Error says what was being done, to what, and what went wrong.
func (e *Error) Error() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Code != 0:
		return fmt.Sprintf("%s (%d)", e.Kind, e.Code)
	}
	return e.Kind.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error of this package; 0: it is none.
func KindOf(err error) Kind {
	if own, ok := errors.AsType[*Error](err); ok {
		return own.Kind
	}
	return 0
}
