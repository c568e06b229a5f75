package pipeline

import "context"

// Keeper is a component with something that must outlive it: a position in its
// source, what it has seen, what it has not delivered yet. The agent keeps it over
// a restart, and hands it to the component's successor at a reload that changes
// the component's configuration.
type Keeper interface {
	Component
	// Keep returns what is to outlive the component, as it stands at this moment;
	// nil: nothing. It is called while no batch is in flight, from before Start
	// until after Shutdown, and is quick: all that takes time is left to Encode.
	Keep() Encode
	// Resume makes the component go on where the one that was kept had come to.
	// It is called at most once, before Start, with what Encode had returned,
	// perhaps under another configuration or version. After an error the
	// component goes on as if nothing had been kept.
	Resume(kept []byte) error
}

// Encode writes what was kept, as JSON. It is called once, later, by any
// goroutine, and sees nothing of what has changed since.
type Encode func() ([]byte, error)

// Heir is a component that takes over, at a reload, what the one before it has in
// memory and what need not outlive the process.
type Heir interface {
	Component
	// Inherit is called before Start, while no batch is in flight. from has the
	// same id and the same pipeline.
	Inherit(from Component)
}

// Keeping is how components tell that what they keep has changed: the agent then
// writes it down soon. The functions are cheap, never wait, and are safe from any
// goroutine. The zero value keeps nothing.
type Keeping struct {
	// OnChanged is told that something has changed which a restart must not lose.
	OnChanged func()
	// OnMoved is told that a position in a source has moved and nothing else has
	// changed: it is written down at leisure.
	OnMoved func()
	// IsDurable tells whether what is kept outlives the process; nil: it does not.
	IsDurable func() bool
	// Sync returns once all that is kept at the moment of the call is on disk, or with
	// the reason why it is not, or ctx's; nil: nothing outlives the process. It waits
	// for batches in flight: nobody calls it from within one.
	Sync func(ctx context.Context) error
}

// Durable tells whether what is kept outlives the process. What cannot be delivered
// before the end is then not lost. It is known once the agent has started.
func (k *Keeping) Durable() bool { return k.IsDurable != nil && k.IsDurable() }

// KeepsAfter tells an exporter whether what it has not delivered by the end of its
// Shutdown with this context is kept for the next start.
func (k *Keeping) KeepsAfter(ctx context.Context) bool { return !isRemoval(ctx) && k.Durable() }

// Changed tells that something kept has changed.
func (k *Keeping) Changed() {
	if k.OnChanged != nil {
		k.OnChanged()
	}
}

// Moved tells that a position has moved.
func (k *Keeping) Moved() {
	if k.OnMoved != nil {
		k.OnMoved()
	}
}
