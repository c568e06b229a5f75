package nodeconditions

import (
	"context"
	"errors"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// find reads the Node until it is there; nil means that ctx has ended first.
func (p *Patcher) find(ctx context.Context) *apiserver.Node {
	begun, warned := time.Now(), false
	for {
		node, err := p.options.API.Node(ctx, p.options.Node)
		if err == nil {
			return node
		}
		if ctx.Err() != nil {
			p.cutOff = true
			return nil
		}
		p.options.Status(err)
		if waited := time.Since(begun); !warned && waited >= p.config.WaitTimeout {
			warned = true
			p.options.Logger.Warn("the Node could not be read yet; it is tried on, and nothing is told to the cluster meanwhile",
				"node", p.options.Node, "waited", waited.Round(time.Second), "error", err)
		}
		if !pause(ctx, max(jittered(p.config.WaitInterval), retryAfter(err)), nil) {
			return nil
		}
	}
}

// retryAfter is how long the API server wants to be left alone.
func retryAfter(err error) time.Duration {
	if answer, ok := errors.AsType[*apiserver.Error](err); ok {
		return answer.RetryAfter
	}
	return 0
}

// seed tells the store what the Node says.
func (p *Patcher) seed(ctx context.Context, node *apiserver.Node) {
	seed := condition.Seed{Conditions: node.Conditions, NodeBootID: node.BootID}
	p.written = p.marker.read()
	if p.written.Node == p.options.Node && p.written.NodeUID == node.UID {
		seed.Marker = p.written.BootID
	}
	// ErrSeeded: a graph before this one has done it.
	if err := p.options.Conditions.Seed(ctx, seed); err != nil && !errors.Is(err, condition.ErrSeeded) && ctx.Err() == nil {
		p.options.Logger.Warn("not everything that reports was told what the Node's conditions were", "error", err)
	}
	p.metrics.noteSeeded()
}

// see notes the Node's UID. A Node made anew has none of our conditions.
func (p *Patcher) see(uid string) {
	p.lost = false
	if uid == p.uid {
		return
	}
	p.uid, p.accepted = uid, content{}
	p.options.NodeSeen(uid)
}

// readAgain looks whether the Node is there, and is the same.
func (p *Patcher) readAgain(ctx context.Context) error {
	node, err := p.options.API.Node(ctx, p.options.Node)
	if err != nil {
		return err
	}
	p.see(node.UID)
	return nil
}

// mark notes in the run directory that the Node was written in this boot.
func (p *Patcher) mark() {
	now := mark{BootID: p.options.Boot.ID, Node: p.options.Node, NodeUID: p.uid}
	if p.written == now {
		return
	}
	if err := p.marker.write(now); err == nil {
		p.written, p.markFailed = now, false
	} else if !p.markFailed {
		p.markFailed = true
		p.options.Logger.Warn("it cannot be kept which boot the Node's conditions are of: after a restart the agent goes by their heartbeats; "+
			"let the agent write to service.host.run", "error", err)
	}
}
