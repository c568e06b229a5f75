package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ErrStalled is returned where a batch stays in a pipeline for too long: what must
// be seen or changed between two batches is not.
var ErrStalled = errors.New("a pipeline makes no progress")

// Hold calls f while no batch is in flight. The error is [ErrStalled] if one stays
// in flight for longer than patience; then f has not been called.
func (g *Graph) Hold(patience time.Duration, f func()) error {
	if !g.gate.Hold(patience, f) {
		return fmt.Errorf("%w: a batch has been under way for more than %s", ErrStalled, patience)
	}
	return nil
}

// Keep returns what every component keeps, by its name, those included that a reload
// has taken out and that are still delivering. It is called while the graph is held.
func (g *Graph) Keep() map[string]Encode {
	kept := map[string]Encode{}
	nodes := g.all()
	if leaving := g.leaving.Load(); leaving != nil {
		nodes = append(nodes, *leaving...)
	}
	for _, n := range nodes {
		if keeper, ok := n.component.(Keeper); ok {
			if encode := keeper.Keep(); encode != nil {
				kept[n.name()] = encode
			}
		}
	}
	return kept
}

// Resume gives every component what was kept of it. It is called before Start.
// The error joins those of the components that could not read it; they go on
// without.
func (g *Graph) Resume(kept map[string][]byte) error {
	var errs []error
	for _, n := range g.all() {
		text, known := kept[n.name()]
		keeper, ok := n.component.(Keeper)
		if !known || !ok {
			continue
		}
		if err := keeper.Resume(text); err != nil {
			errs = append(errs, fmt.Errorf("resume %s: %w", n.name(), err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if isNodeName(name) && !slices.ContainsFunc(g.all(), func(n *node) bool { return n.name() == name }) {
			errs = append(errs, fmt.Errorf("what the %s had kept is dropped, for it is not in the configuration any more", name))
		}
	}
	return errors.Join(errs...)
}

func (g *Graph) all() []*node { return slices.Concat(g.receivers, g.processors, g.exporters) }

// TakeOver makes this graph, which was built with from as the previous one, go on
// in its place: at a border between batches, so that every batch is judged by one
// of them as a whole. Components that both have go on as they are; those that have
// changed go on where their predecessors had come to.
//
// swap is called at the border. It calls succeed, after which all exporters and
// processors of this graph have started and batches lead here, then observe, in which
// the receivers of metrics end and their successors start, and brings the conditions to
// the new configuration. Those who read metrics may be held up during observe, but not
// during succeed: exporters end in there, and one may be waiting to read. Receivers of records start after it.
//
// If an error comes before swap was called, from goes on as it was. An error that
// comes later tells what does not work in this graph, which runs all the same.
func (g *Graph) TakeOver(ctx context.Context, from *Graph, patience time.Duration, swap func(succeed, observe func())) error {
	if err := g.startAdded(ctx, from); err != nil {
		return err
	}
	var faults []error
	err := g.Hold(patience, func() {
		swap(func() {
			faults = g.succeed(from) //nolint:contextcheck // what is handed over has no time, whatever ctx gives
			faults = append(faults, g.startRest(ctx, slices.Concat(g.exporters, g.processors))...)
		}, func() {
			faults = append(faults, g.succeedReceivers(observers(from.receivers))...) //nolint:contextcheck // likewise
			faults = append(faults, g.startRest(ctx, observers(g.receivers))...)
		})
	})
	if err != nil {
		return errors.Join(err, g.abandon(ctx, from))
	}
	faults = append(faults, g.startRest(ctx, g.receivers)...)
	return errors.Join(append(faults, g.endRemoved(ctx, from))...)
}

// observers are the receivers of metrics alone. Between the end of one and the start of
// its successor nobody may look: who swaps sees to that.
func observers(receivers []*node) []*node {
	return slices.DeleteFunc(slices.Clone(receivers), func(n *node) bool { return !n.metrics })
}

// readers are the receivers of records.
func readers(receivers []*node) []*node {
	return slices.DeleteFunc(slices.Clone(receivers), func(n *node) bool { return n.metrics })
}

// startRest starts what has not been started, whatever becomes of the others:
// nobody else has their places any more.
func (g *Graph) startRest(ctx context.Context, stage []*node) (faults []error) {
	for _, n := range stage {
		faults = append(faults, g.startNode(ctx, n))
	}
	return faults
}

// startAdded starts the exporters that from does not have. Their destinations are
// nobody else's.
func (g *Graph) startAdded(ctx context.Context, from *Graph) error {
	for _, n := range g.exporters {
		if from.find(n) != nil {
			continue
		}
		if err := g.startNode(ctx, n); err != nil {
			return errors.Join(err, g.abandon(ctx, from))
		}
	}
	return nil
}

// abandon ends what of this graph alone has started.
func (g *Graph) abandon(ctx context.Context, from *Graph) error {
	var errs []error
	for _, n := range g.exporters {
		if from.find(n) == nil {
			n.retired.retire()
			errs = append(errs, n.shutdown(ctx))
			g.board.Remove(n.kind, n.id)
		}
	}
	return errors.Join(errs...)
}

// succeed puts this graph's components into the places of from's. It is called
// while the graph is held.
func (g *Graph) succeed(from *Graph) (faults []error) {
	faults = g.succeedReceivers(readers(from.receivers))
	for _, old := range from.processors {
		if successor := g.find(old); successor != nil {
			faults = append(faults, successor.inherit(old))
		}
	}
	for _, old := range from.exporters {
		if successor := g.find(old); successor != nil && successor != old {
			faults = append(faults, old.handOver(successor))
		}
	}
	return faults
}

// succeedReceivers puts this graph's receivers into the places of those of before.
func (g *Graph) succeedReceivers(olds []*node) (faults []error) {
	for _, old := range olds {
		switch successor := g.find(old); {
		case successor != old:
			faults = append(faults, old.handOver(successor))
		case old.entry != nil:
			old.entry.next = old.next
		}
	}
	return faults
}

// find returns the component of this graph that has the place of n.
func (g *Graph) find(n *node) *node {
	for _, own := range g.all() {
		if own.name() == n.name() {
			return own
		}
	}
	return nil
}

// handOver ends a component at once, and lets its successor go on where it had
// come to. What it has accepted and not delivered is the successor's; a batch of a
// receiver that waits at the gate is read again.
func (n *node) handOver(successor *node) error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	n.retired.retire()
	// Its error says that something was left undone: the successor does it.
	_ = n.shutdown(now)
	n.started = false
	if successor == nil {
		return nil
	}
	return successor.inherit(n)
}

func (n *node) inherit(from *node) error {
	if heir, ok := n.component.(Heir); ok {
		heir.Inherit(from.component)
	}
	keeper, keeps := n.component.(Keeper)
	predecessor, kept := from.component.(Keeper)
	if !keeps || !kept {
		return nil
	}
	encode := predecessor.Keep()
	if encode == nil {
		return nil
	}
	text, err := encode()
	if err == nil {
		err = keeper.Resume(text)
	}
	if err != nil {
		return fmt.Errorf("hand over to the new %s: %w", n.name(), err)
	}
	return nil
}

// endRemoved ends what only from has, exporters after they have told what they had
// accepted, and forgets the statuses of all that is no more.
func (g *Graph) endRemoved(ctx context.Context, from *Graph) error {
	var leaving []*node
	for _, old := range from.exporters {
		if g.find(old) == nil {
			leaving = append(leaving, old)
		}
	}
	g.leaving.Store(&leaving)
	defer g.leaving.Store(nil)
	ctx = forRemoval(ctx)
	var errs []error
	for _, old := range slices.Concat(from.receivers, from.processors) {
		errs = append(errs, g.endOld(ctx, old))
	}
	return errors.Join(append(errs, atOnce(from.exporters, func(old *node) error { return g.endOld(ctx, old) })...)...)
}

// endOld ends a component of the graph before, unless it goes on in this one.
func (g *Graph) endOld(ctx context.Context, old *node) error {
	successor := g.find(old)
	if successor == old {
		return nil
	}
	err := old.shutdown(ctx) // no more than a no-op where it was handed over
	old.retired.retire()
	if successor == nil && !slices.ContainsFunc(g.all(), func(n *node) bool { return n.kind == old.kind && n.id == old.id }) {
		g.board.Remove(old.kind, old.id)
	}
	return err
}
