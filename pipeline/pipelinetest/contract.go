package pipelinetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
)

// patience bounds what must end soon. It is no measure of speed.
const patience = 20 * time.Second

// ReceiverUnderTest says how to run a receiver.
type ReceiverUnderTest struct {
	// New makes a receiver over one source, anew each time. One that is a
	// [pipeline.Keeper] is killed and handed over in many ways; what it keeps is taken
	// to outlive it.
	New func(t *testing.T, next pipeline.Consumer) pipeline.Component
	// Feed writes n more lines to the source; nil if the source is complete.
	Feed func(t *testing.T, n int)
	// AtLeast is how many lines, or verdicts, the receiver must find.
	AtLeast int
	// Asks is set for a receiver that runs checks: it tells verdicts in the place of
	// lines.
	Asks bool
}

// CheckReceiver runs the contracts that every receiver keeps.
func CheckReceiver(t *testing.T, r ReceiverUnderTest) {
	t.Helper()
	t.Run("stops without a start, and twice", func(t *testing.T) {
		checkStopsWithoutStart(t, r.New(t, &Sink{}))
	})
	if r.Asks {
		t.Run("tells that there is no backlog, then verdicts that are told apart", r.checkVerdicts)
	} else {
		t.Run("a line read twice has the same place and no two lines share one", r.checkPlaces)
	}
	t.Run("stops in the middle of a batch", r.checkStopsInMidBatch)
	_, keeps := r.New(t, &Sink{}).(pipeline.Keeper)
	switch {
	case keeps && r.Asks:
		t.Run("hands what it keeps over to another one", r.checkAskerKeeps)
	case keeps:
		t.Run("goes on, whenever it is killed, where it had come to", r.checkCrashes)
		t.Run("hands over to another one in the same process", r.checkHandOver)
	}
	t.Run("stops although the next stage refuses", func(t *testing.T) {
		defer leakCheck(t)()
		refused := make(chan struct{})
		var once sync.Once
		sink := &Sink{Gate: func(context.Context) error {
			once.Do(func() { close(refused) })
			return ErrShutDown
		}}
		receiver := r.New(t, sink)
		start(t, receiver)
		r.feed(t, 1)
		await(t, refused, "the receiver to send a batch")
		stop(t, receiver)
	})
}

func (r ReceiverUnderTest) feed(t *testing.T, n int) {
	t.Helper()
	if r.Feed != nil {
		r.Feed(t, n)
	}
}

func (r ReceiverUnderTest) read(t *testing.T) []pipeline.Record {
	t.Helper()
	defer leakCheck(t)()
	return r.readBeside(t)
}

// readBeside reads while another receiver may be running: what they share may stay.
func (r ReceiverUnderTest) readBeside(t *testing.T) []pipeline.Record {
	t.Helper()
	sink := &Sink{}
	receiver := r.New(t, sink)
	start(t, receiver)
	sink.WaitFor(t, "the receiver's lines", func(records []pipeline.Record) bool { return countLines(records) >= r.AtLeast })
	stop(t, receiver)
	return sink.Records()
}

func (r ReceiverUnderTest) checkPlaces(t *testing.T) {
	r.feed(t, r.AtLeast)
	first, again := r.read(t), r.read(t)
	bodies := map[pipeline.Place]string{}
	for _, record := range first {
		if !record.IsLine() {
			continue
		}
		if _, taken := bodies[record.Place]; taken {
			t.Errorf("two lines share the place %+v (contract 4)", record.Place)
		}
		if record.Place.Scope == "" || record.Place.Source == "" || record.Boot.ID == "" || record.Receiver == "" {
			t.Errorf("a line without full identity: %+v", record)
		}
		bodies[record.Place] = string(record.Body)
	}
	same := 0
	for _, record := range again {
		body, known := bodies[record.Place]
		if !record.IsLine() || !known {
			continue
		}
		same++
		if body != string(record.Body) {
			t.Errorf("place %+v gave %q, then %q (contract 4)", record.Place, body, record.Body)
		}
	}
	if same < min(r.AtLeast, len(bodies)) {
		t.Errorf("of %d lines only %d were found again at their places (contract 4)", len(bodies), same)
	}
}

func (r ReceiverUnderTest) checkStopsInMidBatch(t *testing.T) {
	defer leakCheck(t)()
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	sink := &Sink{Gate: func(context.Context) error {
		once.Do(func() { close(reached) })
		<-release
		return nil
	}}
	receiver := r.New(t, sink)
	start(t, receiver)
	r.feed(t, 1)
	await(t, reached, "the receiver to send a batch")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop(t, receiver)
	}()
	close(release)
	await(t, stopped, "Shutdown to return")
}

// ProcessorUnderTest says how to run a processor.
type ProcessorUnderTest struct {
	// New makes a processor, anew each time.
	New func(t *testing.T, next pipeline.Consumer) pipeline.Processor
	// Batches are what it is given; some record must come out of them.
	Batches [][]pipeline.Record
}

// CheckProcessor runs the contracts that every processor keeps.
func CheckProcessor(t *testing.T, p ProcessorUnderTest) {
	t.Helper()
	t.Run("stops without a start, and twice", func(t *testing.T) {
		checkStopsWithoutStart(t, p.New(t, &Sink{}))
	})
	t.Run("keeps nothing of a batch and changes nothing in it", func(t *testing.T) {
		defer leakCheck(t)()
		first, again := p.run(t), p.run(t)
		if len(first) == 0 {
			t.Fatal("nothing came out: the test's batches prove nothing")
		}
		if diff := Diff(first, again); diff != "" {
			t.Errorf("the same input gave another output (contract 4):\n%s", diff)
		}
		for _, record := range first {
			if record.EventName == "overwritten" || (record.Problem != nil && record.Problem.Reason == "Overwritten") {
				t.Errorf("a record points into a batch that was over (contract 2): %+v", record)
			}
		}
	})
	if goesOn(p.New(t, &Sink{})) {
		t.Run("behaves as one, where another one goes on", p.checkGoesOn)
	}
	t.Run("passes on the next stage's refusal", func(t *testing.T) {
		defer leakCheck(t)()
		processor := p.New(t, pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return ErrShutDown }))
		start(t, processor)
		var errs []error
		for _, batch := range p.Batches {
			errs = append(errs, processor.Consume(context.Background(), cloneBatch(batch)))
		}
		if !errors.Is(errors.Join(errs...), ErrShutDown) {
			t.Errorf("the next stage refused, the processor accepted (contract 3): %v", errs)
		}
		stop(t, processor)
	})
}

func (p ProcessorUnderTest) run(t *testing.T) []pipeline.Record {
	t.Helper()
	sink := &Sink{}
	processor := p.New(t, sink)
	start(t, processor)
	deliver(t, processor, p.Batches)
	stop(t, processor)
	return sink.Records()
}

// ExporterUnderTest says how to run an exporter.
type ExporterUnderTest struct {
	// New makes an exporter, anew each time.
	New func(t *testing.T) pipeline.Exporter
	// Batches are what it is given.
	Batches [][]pipeline.Record
	// Check looks, after Shutdown, at what reached the destination of the
	// exporter made last.
	Check func(t *testing.T)
	// Block makes the destination of the exporter made last hang until the
	// returned function is called; nil where it cannot.
	Block func(t *testing.T) (release func())
	// Successor makes an exporter for the destination of the exporter made last; nil
	// where each has its own. An exporter that is a [pipeline.Keeper] hands over to it
	// what it could not deliver.
	Successor func(t *testing.T) pipeline.Exporter
}

// CheckExporter runs the contracts that every exporter keeps.
func CheckExporter(t *testing.T, e ExporterUnderTest) {
	t.Helper()
	t.Run("stops without a start, and twice", func(t *testing.T) {
		checkStopsWithoutStart(t, e.New(t))
	})
	t.Run("keeps nothing of a batch and changes nothing in it", func(t *testing.T) {
		defer leakCheck(t)()
		exporter := e.New(t)
		start(t, exporter)
		deliver(t, exporter, e.Batches)
		stop(t, exporter)
		if e.Check != nil {
			e.Check(t)
		}
	})
	t.Run("takes from several at once, also in the middle of its shutdown", e.checkConcurrency)
	t.Run("ends when it has no time, and hands over what it keeps", e.checkHandOver)
	if e.Block != nil {
		t.Run("never waits for its destination", e.checkNeverWaits)
	}
}

func (e ExporterUnderTest) checkConcurrency(t *testing.T) {
	defer leakCheck(t)()
	exporter := e.New(t)
	start(t, exporter)
	var senders sync.WaitGroup
	begun := make(chan struct{}, 4)
	for range 4 {
		senders.Go(func() {
			for round := range 50 {
				for _, batch := range e.Batches {
					if exporter.Consume(context.Background(), cloneBatch(batch)) != nil {
						return
					}
				}
				if round == 0 {
					begun <- struct{}{}
				}
			}
		})
	}
	<-begun
	stop(t, exporter)
	senders.Wait()
	for _, batch := range e.Batches {
		if err := exporter.Consume(context.Background(), cloneBatch(batch)); err == nil {
			t.Error("accepted a batch after Shutdown (contract 3)")
		}
	}
}

func (e ExporterUnderTest) checkNeverWaits(t *testing.T) {
	defer leakCheck(t)()
	exporter := e.New(t)
	release := e.Block(t)
	start(t, exporter)
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for range 200 {
			for _, batch := range e.Batches {
				if err := exporter.Consume(context.Background(), cloneBatch(batch)); err != nil {
					t.Errorf("refused a batch because its destination hangs (contract 3): %v", err)
				}
			}
		}
	}()
	await(t, accepted, "Consume while the destination hangs (contract 6)")
	release()
	stop(t, exporter)
}

func checkStopsWithoutStart(t *testing.T, component pipeline.Component) {
	t.Helper()
	stop(t, component)
	stop(t, component)
}

func start(t *testing.T, component pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if err := component.Start(ctx); err != nil {
		t.Fatalf("Start: %v", err)
	}
	cancel() // work in the background has a context of its own
}

func stop(t *testing.T, component pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := component.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func await(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}

// leakCheck returns a check that no goroutine begun since is left.
func leakCheck(t *testing.T) func() {
	t.Helper()
	before := goleak.IgnoreCurrent()
	return func() { goleak.VerifyNone(t, before) }
}

func countLines(records []pipeline.Record) int {
	n := 0
	for i := range records {
		if records[i].IsLine() {
			n++
		}
	}
	return n
}
