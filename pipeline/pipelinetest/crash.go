package pipelinetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
)

// crash is a moment at which an agent is killed.
type crash struct {
	// batches are accepted before it.
	batches int
	// taken: the batch after them has reached the pipelines, but the receiver does
	// not know yet that it is accepted. Else it is refused.
	taken bool
	// shutdown: what is kept is what stands after Shutdown, as when the agent is
	// told to stop and has no time.
	shutdown bool
}

func (c crash) String() string {
	return fmt.Sprintf("after %d batches, the next one taken: %t, kept after shutdown: %t", c.batches, c.taken, c.shutdown)
}

// crashes are the moments of one lineage, one after the other: most fall into the
// backlog, and where lines are fed, the later ones come when it is over.
func crashes() []crash {
	return []crash{
		{batches: 0}, {batches: 0, taken: true}, {batches: 0, shutdown: true},
		{batches: 1}, {batches: 1, taken: true}, {batches: 1, shutdown: true}, {batches: 0, taken: true, shutdown: true},
		{batches: 3}, {batches: 3, taken: true}, {batches: 3, shutdown: true},
	}
}

// checkCrashes kills the receiver again and again and lets the next one go on from
// what was kept at that moment.
func (r ReceiverUnderTest) checkCrashes(t *testing.T) {
	defer leakCheck(t)()
	r.feed(t, r.AtLeast)
	line := lineage{t: t, told: map[pipeline.Place]pipeline.Record{}, doubtful: map[pipeline.Place]bool{}}
	var kept []byte
	for _, c := range crashes() {
		kept = r.live(t, c, kept, &line)
	}
	sink := &Sink{}
	last := r.New(t, sink)
	resume(t, last, kept)
	start(t, last)
	r.feed(t, 1)
	sink.WaitFor(t, "what is left of the lines", func(records []pipeline.Record) bool {
		return len(line.told)+countLines(records) >= r.AtLeast
	})
	reference := r.readBeside(t) // first: others may write to the source too
	line.add("the last one", waitForNewest(t, sink, reference, line.told))
	stop(t, last)
	line.requireAll(reference)
}

// waitForNewest waits until the newest line that another receiver has read is among
// those that were told or have come, and returns what has come.
func waitForNewest(t *testing.T, sink *Sink, reference []pipeline.Record, told map[pipeline.Place]pipeline.Record) []pipeline.Record {
	t.Helper()
	var newest pipeline.Place
	for i := range reference {
		if reference[i].IsLine() {
			newest = reference[i].Place
		}
	}
	if _, known := told[newest]; !known {
		sink.WaitFor(t, "the line that another receiver has read last", func(records []pipeline.Record) bool {
			for i := range slices.Backward(records) {
				if records[i].Place == newest {
					return true
				}
			}
			return false
		})
	}
	return sink.Records()
}

// live runs a receiver until it is killed, and returns what was kept then.
func (r ReceiverUnderTest) live(t *testing.T, c crash, kept []byte, line *lineage) []byte {
	t.Helper()
	sink := &doomed{t: t, crash: c, crashed: make(chan struct{}), progress: make(chan struct{}, 1)}
	receiver := r.New(t, sink)
	sink.keep = func() []byte { return keep(t, receiver) }
	resume(t, receiver, kept)
	start(t, receiver)
	sink.signal()
	for alive := true; alive; {
		select {
		case <-sink.crashed:
			alive = false
		case <-sink.progress:
			if r.Feed == nil && len(line.told)+sink.lines() >= r.AtLeast {
				sink.die() // nothing more comes
			}
			r.feed(t, 1)
		case <-time.After(patience):
			t.Fatalf("waited in vain for batches, to kill the receiver %s", c)
		}
	}
	abandon(receiver)
	kept = sink.kept
	if c.shutdown {
		kept = keep(t, receiver)
	}
	line.add(c.String(), sink.records)
	line.doubt(sink.records[sink.sure:])
	return kept
}

// doomed is a pipeline that is killed with its agent.
type doomed struct {
	t     *testing.T
	crash crash
	keep  func() []byte

	mu       sync.Mutex
	records  []pipeline.Record
	batches  int
	sure     int // records that the receiver knows to be accepted
	kept     []byte
	dead     bool
	crashed  chan struct{}
	progress chan struct{}
}

func (d *doomed) Consume(ctx context.Context, batch []pipeline.Record) error {
	return d.ConsumeThen(ctx, batch, func() {})
}

// ConsumeThen accepts as the graph does: what is kept has the batch and the position
// behind it, or neither.
func (d *doomed) ConsumeThen(_ context.Context, batch []pipeline.Record, accepted func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.batches == d.crash.batches
	if !d.dead && (!last || d.crash.taken) {
		d.records = append(d.records, cloneBatch(batch)...)
	}
	if last {
		d.kill()
	}
	if d.dead {
		return ErrShutDown
	}
	d.batches++
	d.sure = len(d.records)
	accepted()
	d.signal()
	return nil
}

// signal tells that there may be more to do.
func (d *doomed) signal() {
	select {
	case d.progress <- struct{}{}:
	default:
	}
}

func (d *doomed) kill() {
	if !d.dead {
		d.dead = true
		d.kept = d.keep()
		close(d.crashed)
	}
}

func (d *doomed) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kill()
}

func (d *doomed) lines() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return countLines(d.records)
}

// lineage is what receivers that go on from one another have told.
type lineage struct {
	t    *testing.T
	told map[pipeline.Place]pipeline.Record
	// doubtful may come again: the receiver did not know that they were accepted.
	doubtful map[pipeline.Place]bool
}

// add adds what one receiver has sent, in order.
func (l *lineage) add(who string, records []pipeline.Record) {
	l.t.Helper()
	began := map[pipeline.Place]uint64{} // the first line of each sequence
	for i := range records {
		record := &records[i]
		sequence := record.Place
		sequence.Position = 0
		first, lines := began[sequence]
		switch {
		case record.EventName == pipeline.EventContext:
			if lines && record.Place.Position >= first {
				l.t.Errorf("context comes later than the position (%s): %+v", who, record.Place)
			}
			l.requireSame(who, record, true)
		case record.IsLine():
			if !lines {
				began[sequence] = record.Place.Position
			}
			l.requireSame(who, record, false)
			l.told[record.Place] = *record
		}
	}
}

func (l *lineage) requireSame(who string, record *pipeline.Record, isContext bool) {
	l.t.Helper()
	before, known := l.told[record.Place]
	switch {
	case !known && isContext:
		l.t.Errorf("context of a line that nobody was told (%s): %+v", who, record.Place)
	case !known:
	case !isContext && !l.doubtful[record.Place]:
		l.t.Errorf("a line that had been accepted came again (%s): %+v", who, record.Place)
	default:
		if diff := lineDiff(before, *record); diff != "" {
			l.t.Errorf("a line that was read again is another one (contract 4, %s):\n%s", who, diff)
		}
	}
}

// lineDiff compares what makes two records the same line.
func lineDiff(x, y pipeline.Record) string {
	if bytes.Equal(x.Body, y.Body) && x.Time.Equal(y.Time) && x.Boot == y.Boot && x.Severity == y.Severity &&
		x.Receiver == y.Receiver && slices.Equal(attributesOf(&x), attributesOf(&y)) {
		return ""
	}
	x.EventName, x.ObservedTime, y.EventName, y.ObservedTime = "", time.Time{}, "", time.Time{}
	return Diff([]pipeline.Record{x}, []pipeline.Record{y})
}

func attributesOf(record *pipeline.Record) []attribute.KeyValue {
	if record.Attributes == nil {
		return nil
	}
	return pipeline.CloneAttributes(record.Attributes)
}

func (l *lineage) doubt(records []pipeline.Record) {
	for i := range records {
		l.doubtful[records[i].Place] = true
	}
}

// requireAll checks against a receiver of the same source that was never killed,
// and knows no times from before.
func (l *lineage) requireAll(reference []pipeline.Record) {
	l.t.Helper()
	first := map[pipeline.Place]uint64{}
	for place := range l.told {
		sequence := place
		sequence.Position = 0
		if lowest, known := first[sequence]; !known || place.Position < lowest {
			first[sequence] = place.Position
		}
	}
	for i := range reference {
		want := &reference[i]
		sequence := want.Place
		sequence.Position = 0
		if lowest, known := first[sequence]; !want.IsLine() || known && want.Place.Position < lowest {
			continue
		}
		got, told := l.told[want.Place]
		if !told {
			l.t.Errorf("a line was lost: %q at %+v", want.Body, want.Place)
		} else if !bytes.Equal(want.Body, got.Body) {
			l.t.Errorf("%q, then %q at %+v (contract 4)", got.Body, want.Body, want.Place)
		}
	}
}

// keep returns what the component keeps, as it is written; nil: nothing.
func keep(t *testing.T, component pipeline.Component) []byte {
	t.Helper()
	keeper, ok := component.(pipeline.Keeper)
	if !ok {
		return nil
	}
	encode := keeper.Keep()
	if encode == nil {
		return nil
	}
	text, err := encode()
	if err != nil {
		t.Errorf("encode what is kept: %v", err)
	}
	return text
}

func resume(t *testing.T, component pipeline.Component, kept []byte) {
	t.Helper()
	keeper, ok := component.(pipeline.Keeper)
	if !ok || kept == nil {
		return
	}
	if err := keeper.Resume(kept); err != nil {
		t.Errorf("resume from %s: %v", kept, err)
	}
}

// abandon ends a component that has no time.
func abandon(component pipeline.Component) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = component.Shutdown(now) // it may say that something was left undone
}
