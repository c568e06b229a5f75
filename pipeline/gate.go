package pipeline

import (
	"context"
	"sync"
	"time"
)

// Gate lets batches into the pipelines, and can keep them out for a moment: then
// no batch is in flight, and what is seen of receivers, processors and exporters
// belongs together. It is safe for concurrent use.
type Gate struct {
	mu     sync.Mutex
	inside int
	// opened is closed when the gate opens; nil: it is open.
	opened chan struct{}
	// emptied is closed when the last batch has left; nil: nobody waits for that.
	emptied chan struct{}
}

// Enter waits until the gate is open and goes in; Leave must follow. The error is
// that of ctx: once ctx is over nobody goes in, not even where the gate opens at
// the same moment. So a receiver that was ended while the gate was held sends
// nothing more.
func (g *Gate) Enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		if err := ctx.Err(); err != nil {
			g.mu.Unlock()
			return err
		}
		opened := g.opened
		if opened == nil {
			g.inside++
			g.mu.Unlock()
			return nil
		}
		g.mu.Unlock()
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Leave tells that the batch is through.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.emptied != nil {
		close(g.emptied)
		g.emptied = nil
	}
}

// Hold closes the gate, waits until no batch is inside, calls f and opens the gate
// again. If a batch stays for longer than patience it opens the gate without
// having called f, and returns false: one pipeline that hangs must not stop the
// others. f must not send a batch.
func (g *Gate) Hold(patience time.Duration, f func()) bool {
	empty := g.close()
	defer g.open()
	if empty != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-empty:
		case <-timer.C:
			return false
		}
	}
	f()
	return true
}

// close keeps further batches out, once nobody else does. It returns what tells that
// the last has left; nil: there is none.
func (g *Gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.opened != nil {
		opened := g.opened
		g.mu.Unlock()
		<-opened
		g.mu.Lock()
	}
	g.opened = make(chan struct{})
	if g.inside == 0 {
		return nil
	}
	g.emptied = make(chan struct{})
	return g.emptied
}

func (g *Gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.opened, g.emptied = nil, nil
}
