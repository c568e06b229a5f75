// Package pipelinetest checks that components keep the contracts of package
// pipeline, and holds the only double that their tests need: a recording sink.
package pipelinetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// ErrShutDown is what a [Sink] answers after its Shutdown.
var ErrShutDown = errors.New("sink is shut down")

// Sink is an exporter that keeps a clone of every record. It is safe for
// concurrent use.
type Sink struct {
	// Gate, if set, is called first by each Consume: it may block, or refuse
	// the batch with an error.
	Gate func(ctx context.Context) error

	mu      sync.Mutex
	records []pipeline.Record
	changed chan struct{}
	down    bool
}

var _ pipeline.Exporter = (*Sink)(nil)

// Start does nothing.
func (*Sink) Start(context.Context) error { return nil }

// Shutdown makes every later Consume fail.
func (s *Sink) Shutdown(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	return nil
}

// Consume keeps clones of the batch.
func (s *Sink) Consume(ctx context.Context, batch []pipeline.Record) error {
	if s.Gate != nil {
		if err := s.Gate(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return ErrShutDown
	}
	for i := range batch {
		s.records = append(s.records, batch[i].Clone())
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return nil
}

// Records returns what has come so far, in order.
func (s *Sink) Records() []pipeline.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]pipeline.Record(nil), s.records...)
}

// Lines returns the bodies of the lines that have come so far.
func (s *Sink) Lines() []string {
	var lines []string
	for _, record := range s.Records() {
		if record.IsLine() {
			lines = append(lines, string(record.Body))
		}
	}
	return lines
}

// WaitFor returns once done says yes of all records so far, and fails the test
// after half a minute.
func (s *Sink) WaitFor(t testing.TB, what string, done func([]pipeline.Record) bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		if done(s.records) {
			s.mu.Unlock()
			return
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed, count := s.changed, len(s.records)
		s.mu.Unlock()
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s; %d records have come", what, count)
		}
	}
}
