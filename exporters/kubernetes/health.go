package kubernetes

import (
	"errors"
	"sync"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

// health makes one status of what the halves of the exporter say: degraded if one
// is, and ok once the Node has been reached.
type health struct {
	report func(pipeline.Status)

	mu         sync.Mutex
	seen       bool  // the Node has been read
	reached    bool  // the Node has taken a patch, or all that is wanted is to read it
	conditions error // why the Node cannot be read or written
	events     error // why Events cannot be written
}

// inherit takes over how far the one before this one had come, and not what was wrong
// with it.
func (h *health) inherit(from *health) {
	from.mu.Lock()
	defer from.mu.Unlock()
	h.seen, h.reached = from.seen, from.reached
}

func (h *health) start() { h.change(func() {}) }

func (h *health) nodeSeen() { h.change(func() { h.seen, h.conditions = true, nil }) }

func (h *health) setConditions(err error) {
	h.change(func() { h.reached, h.conditions = h.reached || err == nil, err })
}

func (h *health) setEvents(err error) { h.change(func() { h.events = err }) }

// change reports under the lock: the statuses keep their order.
func (h *health) change(to func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to()
	h.report(h.status())
}

func (h *health) status() pipeline.Status {
	switch {
	case h.conditions != nil:
		return degraded(h.conditions)
	case h.events != nil:
		return degraded(h.events)
	case h.reached:
		return pipeline.Status{State: pipeline.ComponentOK}
	case h.seen:
		return pipeline.Status{State: pipeline.ComponentStarting, Reason: "the backlog and the checks' first verdicts are waited for"}
	default:
		return pipeline.Status{State: pipeline.ComponentStarting, Reason: "the Node has not been read yet"}
	}
}

func degraded(err error) pipeline.Status {
	status := pipeline.Status{State: pipeline.ComponentDegraded, Reason: err.Error(), Err: err}
	if answer, ok := errors.AsType[*apiserver.Error](err); ok {
		status.Remedy = answer.Remedy
	}
	return status
}
