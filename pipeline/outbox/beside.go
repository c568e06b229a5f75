package outbox

// Beside returns a second outbox of the same exporter, for what is worth less than all
// that o holds. It has a bound of its own, so that it displaces nothing in o; what it
// drops when it is full is counted for the reason, one of those that New was given. Next
// of o takes from it once o is empty. What ends o (Close, Discard, Retire) ends it too;
// Put, Snapshot, Refill and OnChange are of each alone. It is made before o is used.
func (o *Outbox[T]) Beside(maxBytes int, reason string) *Outbox[T] {
	o.behind = &Outbox[T]{
		maxBytes: maxBytes, metrics: o.metrics, full: reason, taken: map[uint64]Entry[T]{},
		changed: o.changed, freed: make(chan struct{}, 1), onChange: func() {},
	}
	return o.behind
}
