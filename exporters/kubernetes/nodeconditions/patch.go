package nodeconditions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
)

// content is what the Node is told: all conditions, and the types to delete.
type content struct {
	conditions []pipeline.Condition
	deletions  []string
}

// wanted is what the Node should be told now.
func (p *Patcher) wanted() content {
	var c content
	declared := map[string]bool{}
	for _, one := range p.options.Conditions.Conditions() {
		declared[one.Type] = true
		if !condition.IsReserved(one.Type) {
			c.conditions = append(c.conditions, acceptable(one))
		}
	}
	if p.config.LeaveDropped {
		return c
	}
	for _, name := range p.options.Conditions.Deletions() {
		// A reload may have come between the two.
		if !declared[name] && !condition.IsReserved(name) {
			c.deletions = append(c.deletions, name)
		}
	}
	return c
}

func (c content) empty() bool { return len(c.conditions) == 0 && len(c.deletions) == 0 }

// pending tells whether the Node should be told something else than it took last.
func (p *Patcher) pending() bool {
	if !p.config.Write {
		return false
	}
	wanted := p.wanted()
	return len(wanted.deletions) > 0 || !slices.EqualFunc(wanted.conditions, p.accepted.conditions, same)
}

// leaveDropped has the types forgotten that stay on the Node.
func (p *Patcher) leaveDropped() {
	if !p.config.Write || !p.config.LeaveDropped {
		return
	}
	for _, name := range p.options.Conditions.Deletions() {
		p.options.Logger.Info("a condition that is no longer declared stays on the Node", "condition", name)
		p.options.Conditions.NoteDeleted(name)
	}
}

func same(a, b pipeline.Condition) bool {
	return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message &&
		a.LastTransitionTime.Equal(b.LastTransitionTime)
}

// errAnotherNode is an accepted patch whose answer bears another UID.
var errAnotherNode = errors.New("the Node was made anew while it was written")

// tell brings the Node up to date, or reads it where there is nothing to write. A
// Node made anew is told everything at once.
func (p *Patcher) tell(ctx context.Context) error {
	if p.lost {
		if err := p.readAgain(ctx); err != nil {
			return err
		}
	}
	if !p.config.Write || p.wanted().empty() {
		return p.readAgain(ctx)
	}
	err := p.patch(ctx, p.claimed(ctx))
	if !isAnew(err) {
		return err
	}
	if err := p.readAgain(ctx); err != nil {
		return err
	}
	return p.patch(ctx, p.claimed(ctx))
}

// claimed is what the Node should be told now, once it is noted that the agent tells
// it of these types. That may take a moment, in which things may change.
func (p *Patcher) claimed(ctx context.Context) content {
	p.options.Conditions.Claim(ctx, p.wanted().conditions)
	return p.wanted()
}

// isAnew tells whether a patch met another Node than the one that was read.
func isAnew(err error) bool {
	return errors.Is(err, errAnotherNode) || apiserver.KindOf(err) == apiserver.UIDChanged
}

func (p *Patcher) patch(ctx context.Context, c content) error {
	now := p.options.Clock.Now().Wall
	uid, err := p.options.API.PatchConditions(ctx, apiserver.Patch{
		Node: p.options.Node, UID: p.uid, Conditions: c.conditions, Heartbeat: now, Delete: c.deletions,
	})
	if err == nil {
		faultpoint.Reach("kubernetes.patch.accepted")
	}
	if err == nil && uid != p.uid {
		err = fmt.Errorf("%w: its UID is %s and was %s", errAnotherNode, uid, p.uid)
	}
	if err != nil {
		p.lost = p.lost || isAnew(err) || apiserver.KindOf(err) == apiserver.NotFound
		return err
	}
	p.accepted = c
	p.metrics.notePatched(now)
	for _, one := range c.conditions {
		p.options.Conditions.NotePatched(one)
	}
	for _, name := range c.deletions {
		p.options.Conditions.NoteDeleted(name)
	}
	p.mark()
	return nil
}

// Flush ends what Run has left undone, and is called after it. A first reading of
// the Node that the end of ctx cut off is made once more, for those who wait for
// the UID; and if the Node may be told anything, it is told, with one request,
// what it has not been told yet.
func (p *Patcher) Flush(ctx context.Context) error {
	if p.cutOff {
		p.cutOff = false
		_ = p.readAgain(ctx) // it was never taken over: those who wait say what is lost
		return nil
	}
	select {
	case <-p.options.Conditions.Settled():
	default:
		return nil
	}
	p.leaveDropped()
	if p.uid == "" || p.lost || !p.pending() {
		return nil
	}
	// The time is short: what is claimed is written down with all else at the very end.
	hurried, hurry := context.WithCancel(ctx)
	hurry()
	if err := p.patch(ctx, p.claimed(hurried)); err != nil {
		return fmt.Errorf("the Node was not told how the conditions stand at the end: %w", err)
	}
	return nil
}
