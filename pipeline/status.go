package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ComponentState is how a component does.
type ComponentState uint8

// The states of a component.
const (
	ComponentStarting ComponentState = iota
	ComponentOK
	ComponentDegraded
)

// String returns starting, ok or degraded.
func (s ComponentState) String() string {
	switch s {
	case ComponentStarting:
		return "starting"
	case ComponentOK:
		return "ok"
	case ComponentDegraded:
		return "degraded"
	default:
		return fmt.Sprintf("ComponentState(%d)", uint8(s))
	}
}

// Status is what a component says of itself.
type Status struct {
	State ComponentState
	// Reason says in words what is wrong when degraded.
	Reason string
	// Remedy says what the operator can do about it.
	Remedy string
	// Err is the error behind it, for callers that ask for its kind.
	Err error
}

// ComponentStatus is a component's status and since when.
type ComponentStatus struct {
	Status
	// Kind is receiver, processor or exporter.
	Kind string
	// ID is the component's id.
	ID string
	// Since is when State last changed.
	Since time.Time
}

// StatusBoard holds the status of every component. It is safe for concurrent
// use.
type StatusBoard struct {
	clock Clock

	mu       sync.Mutex
	entries  map[string]ComponentStatus
	watchers []func(ComponentStatus)
}

// NewStatusBoard returns an empty board.
func NewStatusBoard(clock Clock) *StatusBoard {
	return &StatusBoard{clock: clock, entries: map[string]ComponentStatus{}}
}

// Watch calls f, in order, at each change of a component's state or reason.
// f must not report statuses itself. Watch is called before the graph starts.
func (b *StatusBoard) Watch(f func(ComponentStatus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers = append(b.watchers, f)
}

// Set notes the status of a component.
func (b *StatusBoard) Set(kind string, id ID, status Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := kind + " " + id.String()
	old, known := b.entries[key]
	entry := ComponentStatus{Status: status, Kind: kind, ID: id.String(), Since: old.Since}
	if !known || old.State != status.State {
		entry.Since = b.clock.Now().Wall
	}
	b.entries[key] = entry
	if known && old.State == status.State && old.Reason == status.Reason {
		return
	}
	for _, watch := range b.watchers {
		watch(entry)
	}
}

// SetStarted turns a component that is still starting to ok.
func (b *StatusBoard) SetStarted(kind string, id ID) {
	b.mu.Lock()
	state := b.entries[kind+" "+id.String()].State
	b.mu.Unlock()
	if state == ComponentStarting {
		b.Set(kind, id, Status{State: ComponentOK})
	}
}

// Remove forgets a component that is no more.
func (b *StatusBoard) Remove(kind string, id ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.entries, kind+" "+id.String())
}

// All returns the status of every component: receivers, then processors, then
// exporters, then what belongs to the agent itself, each by id.
func (b *StatusBoard) All() []ComponentStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.entries), func(x, y ComponentStatus) int {
		if x.Kind != y.Kind {
			return slices.Index(kinds, x.Kind) - slices.Index(kinds, y.Kind)
		}
		return strings.Compare(x.ID, y.ID)
	})
}

// The kinds of components, in the order of the flow.
const (
	KindReceiver  = "receiver"
	KindProcessor = "processor"
	KindExporter  = "exporter"
	// KindService is what belongs to the agent itself, such as its state.
	KindService = "service"
)

var kinds = []string{KindReceiver, KindProcessor, KindExporter, KindService}

// FatalError is the error of a component that has given up what it was told not to be
// without: a status with it ends the agent. It is for node-problem-detector's
// configurations that ask for that; no component does so of itself.
type FatalError struct{ Err error }

// Error tells what the component has given up.
func (e *FatalError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *FatalError) Unwrap() error { return e.Err }
