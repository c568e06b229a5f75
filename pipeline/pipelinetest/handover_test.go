package pipelinetest_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// server is a destination that can hang.
type server struct {
	mu    sync.Mutex // held while it hangs
	lines []string
}

func (s *server) put(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

// postman delivers line by line, and keeps what it could not deliver.
type postman struct {
	to *server

	mu    sync.Mutex
	queue []string
	wake  chan struct{}
	down  bool
	now   chan struct{} // closed to give up
	done  chan struct{}
}

func newPostman(to *server) *postman {
	return &postman{to: to, wake: make(chan struct{}, 1), now: make(chan struct{})}
}

func (p *postman) Start(context.Context) error {
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		for p.deliver() {
			<-p.wake
		}
	}()
	return nil
}

// deliver empties the queue; false: no more will come.
func (p *postman) deliver() bool {
	for {
		p.mu.Lock()
		queue, down := p.queue, p.down
		p.mu.Unlock()
		if len(queue) == 0 {
			return !down
		}
		select {
		case <-p.now:
			return false
		default:
		}
		p.to.put(queue[0])
		p.mu.Lock()
		p.queue = p.queue[1:]
		p.mu.Unlock()
	}
}

func (p *postman) Consume(_ context.Context, batch []pipeline.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return pipelinetest.ErrShutDown
	}
	for i := range batch {
		p.queue = append(p.queue, string(batch[i].Body))
	}
	p.signal()
	return nil
}

func (p *postman) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *postman) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	first := !p.down
	p.down = true
	p.mu.Unlock()
	p.signal()
	if p.done == nil {
		return nil
	}
	if first && ctx.Err() != nil {
		close(p.now)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *postman) Keep() pipeline.Encode {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := slices.Clone(p.queue)
	return func() ([]byte, error) { return json.Marshal(queue) }
}

func (p *postman) Resume(kept []byte) error { return json.Unmarshal(kept, &p.queue) }

// TestAnExporterThatKeeps passes the contract, whether or not its successors share
// its destination.
func TestAnExporterThatKeeps(t *testing.T) {
	for name, shared := range map[string]bool{"one destination": true, "each its own": false} {
		t.Run(name, func(t *testing.T) {
			var to *server
			under := pipelinetest.ExporterUnderTest{
				New: func(t *testing.T) pipeline.Exporter {
					t.Helper()
					to = &server{}
					return newPostman(to)
				},
				Batches: [][]pipeline.Record{pipelinetest.Lines("kmsg", 1, "a", "b"), pipelinetest.Lines("kmsg", 3, "c")},
				Check: func(t *testing.T) {
					t.Helper()
					to.mu.Lock()
					defer to.mu.Unlock()
					for _, line := range []string{"a", "b", "c"} {
						require.Contains(t, to.lines, line)
					}
				},
				Block: func(*testing.T) func() {
					hanging := to
					hanging.mu.Lock()
					return hanging.mu.Unlock
				},
			}
			if shared {
				under.Successor = func(*testing.T) pipeline.Exporter { return newPostman(to) }
			}
			pipelinetest.CheckExporter(t, under)
		})
	}
}
