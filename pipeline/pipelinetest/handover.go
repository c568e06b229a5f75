package pipelinetest

import (
	"context"
	"testing"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// checkHandOver lets receivers take the place of one another in one process, as a
// reload does: nothing is lost, nothing comes twice.
func (r ReceiverUnderTest) checkHandOver(t *testing.T) {
	defer leakCheck(t)()
	r.feed(t, r.AtLeast)
	const handOvers = 6
	way := &gated{tokens: make(chan struct{})}
	receiver := r.New(t, way)
	start(t, receiver)
	for i := range handOvers {
		if i < handOvers/2 { // between two batches of the backlog, then whenever it is
			way.letIn(t)
		} else if i == handOvers/2 {
			close(way.tokens)
		}
		r.feed(t, 1)
		next := r.New(t, way)
		held := way.gate.Hold(patience, func() {
			abandon(receiver)
			resume(t, next, keep(t, receiver))
		})
		if !held {
			t.Fatal("a batch stays under way")
		}
		start(t, next)
		receiver = next
	}
	r.feed(t, 1)
	way.sink.WaitFor(t, "all lines", func(records []pipeline.Record) bool { return countLines(records) >= r.AtLeast })
	reference := r.readBeside(t) // first: others may write to the source too
	waitForNewest(t, &way.sink, reference, nil)
	stop(t, receiver)
	line := lineage{t: t, told: map[pipeline.Place]pipeline.Record{}, doubtful: map[pipeline.Place]bool{}}
	for _, record := range way.sink.Records() {
		line.add("handed over", []pipeline.Record{record})
	}
	line.requireAll(reference)
}

// gated is the way into a pipeline, behind a gate as the graph's. A batch waits for
// a token before it.
type gated struct {
	gate   pipeline.Gate
	sink   Sink
	tokens chan struct{}
}

var _ pipeline.Acceptor = (*gated)(nil)

// letIn lets one batch come.
func (g *gated) letIn(t *testing.T) {
	t.Helper()
	select {
	case g.tokens <- struct{}{}:
	case <-time.After(patience):
		t.Fatal("waited in vain for a batch")
	}
}

func (g *gated) Consume(ctx context.Context, batch []pipeline.Record) error {
	return g.ConsumeThen(ctx, batch, func() {})
}

func (g *gated) ConsumeThen(ctx context.Context, batch []pipeline.Record, accepted func()) error {
	select {
	case <-g.tokens:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := g.gate.Enter(ctx); err != nil {
		return err
	}
	defer g.gate.Leave()
	if err := g.sink.Consume(ctx, batch); err != nil {
		return err
	}
	accepted()
	return nil
}

// checkGoesOn replaces the processor between any two batches: it behaves as if it had
// not been.
func (p ProcessorUnderTest) checkGoesOn(t *testing.T) {
	defer leakCheck(t)()
	want := p.run(t)
	for border := range len(p.Batches) + 1 {
		sink := &Sink{}
		old := p.New(t, sink)
		start(t, old)
		deliver(t, old, p.Batches[:border])
		kept := keep(t, old)
		next := p.New(t, sink)
		if heir, ok := next.(pipeline.Heir); ok {
			heir.Inherit(old)
		}
		resume(t, next, kept)
		start(t, next)
		deliver(t, next, p.Batches[border:])
		stop(t, old)
		stop(t, next)
		if diff := Diff(want, sink.Records()); diff != "" {
			t.Errorf("replaced after %d batches, something else came out:\n%s", border, diff)
		}
	}
}

// goesOn tells whether a component has something that its successor takes over.
func goesOn(component pipeline.Component) bool {
	_, keeper := component.(pipeline.Keeper)
	_, heir := component.(pipeline.Heir)
	return keeper || heir
}

// checkHandOver ends an exporter that has no time to deliver, and lets another one
// go on: all that was accepted is delivered.
func (e ExporterUnderTest) checkHandOver(t *testing.T) {
	defer leakCheck(t)()
	old := e.New(t)
	release := func() {}
	if e.Block != nil {
		release = e.Block(t)
	}
	start(t, old)
	deliver(t, old, e.Batches)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		abandon(old)
	}()
	await(t, ended, "Shutdown that has no time")
	kept := keep(t, old)
	for _, batch := range e.Batches {
		if old.Consume(context.Background(), cloneBatch(batch)) == nil {
			t.Error("accepted a batch after Shutdown (contract 3)")
		}
	}
	release()
	next := e.successor(t)
	if _, keeper := next.(pipeline.Keeper); !keeper {
		stop(t, next)
		return
	}
	resume(t, next, kept)
	start(t, next)
	stop(t, next)
	if e.Check != nil && (e.Block != nil || e.Successor != nil) {
		e.Check(t)
	}
	if left := keep(t, next); left != nil {
		idle := e.successor(t) // what is left can be read by one more
		resume(t, idle, left)
		stop(t, idle)
	}
}

func (e ExporterUnderTest) successor(t *testing.T) pipeline.Exporter {
	t.Helper()
	if e.Successor != nil {
		return e.Successor(t)
	}
	return e.New(t)
}
