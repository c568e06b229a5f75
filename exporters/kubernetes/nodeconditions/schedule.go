package nodeconditions

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// patchInterval is the least time between two patches.
	patchInterval = time.Second
	// lookInterval is how often it is looked for a change that nobody told of.
	lookInterval = 10 * time.Second
)

// The times here are Go's monotonic ones: a step of the wall clock moves no timer.

// wait returns once a request is due, or false when ctx ends. Whatever changes
// meanwhile, it is not before notBefore.
func (p *Patcher) wait(ctx context.Context) bool {
	if !pause(ctx, time.Until(p.notBefore), nil) {
		return false
	}
	for !p.due() {
		if !pause(ctx, min(time.Until(p.heartbeat), lookInterval), p.changed) {
			return false
		}
	}
	return true
}

func (p *Patcher) due() bool {
	p.leaveDropped()
	return p.owed || time.Until(p.heartbeat) <= 0 || p.pending()
}

// succeeded sets the next times after a request that was begun then.
func (p *Patcher) succeeded(begun time.Time) {
	p.backoff.Reset()
	p.owed = false
	p.notBefore = begun.Add(patchInterval)
	p.heartbeat = begun.Add(jittered(p.config.HeartbeatPeriod))
	p.options.Status(nil)
}

func (p *Patcher) failed(err error) {
	p.owed = true
	p.notBefore = time.Now().Add(p.backoff.Next(err))
	p.options.Status(err)
}

// pause waits for d, or until woken. It returns false when ctx has ended.
func pause(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-woken:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// jittered is d give or take a tenth, so that the agents of a cluster that were
// started together do not all come at once.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // nothing is to be kept secret
}
