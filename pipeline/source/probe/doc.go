// Package probe asks once how a service of the node does: the health endpoint of the
// kubelet or kube-proxy, a container runtime, docker, a unit of systemd, what a unit
// has written to the journal. It knows nothing of pipelines, and keeps nothing between
// two questions.
//
// Every question is answered in the time that its context has. The answer is an error:
//
//   - nil: the service is healthy
//   - one that wraps an [Unknown]: that cannot be told from here
//   - any other: the service is not healthy, and this is what is wrong
//
// Its text says what was asked, and becomes the message of a condition: it is the same
// as long as the same is wrong.
package probe

import (
	"context"
	"errors"
	"time"
)

// Unknown is the error of a probe that cannot tell how the service does: what it asks
// through is not there, or may not be used.
type Unknown struct {
	// Err says what was asked and what stood in the way.
	Err error
	// Remedy says what the operator can do about it.
	Remedy string
}

// Error says what was asked and what stood in the way.
func (u *Unknown) Error() string { return u.Err.Error() }

// Unwrap returns Err.
func (u *Unknown) Unwrap() error { return u.Err }

// AsUnknown returns the [Unknown] that an error wraps; nil: none, the service is not
// healthy.
func AsUnknown(err error) *Unknown {
	unknown, _ := errors.AsType[*Unknown](err)
	return unknown
}

// given is how long a question may take, for messages.
func given(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return time.Until(deadline).Round(100 * time.Millisecond)
}
