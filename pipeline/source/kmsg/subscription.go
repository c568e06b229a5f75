package kmsg

import (
	"context"
	"errors"
	"sync"
)

// Subscription is one subscriber's share of a source.
type Subscription struct {
	shared   *Shared
	source   *source
	to       Subscriber
	quit     chan struct{} // closed to end catching up
	caughtUp chan struct{} // closed once that has ended

	checked bool // whether the log reaches the number to go on from; guarded by source.mu

	closing sync.Mutex
	closed  bool // by closing: Close was called

	turn chan struct{} // full while one uses what follows
	gone bool
	account
}

func newSubscription(shared *Shared, to Subscriber) *Subscription {
	sub := &Subscription{
		shared: shared, to: to, turn: make(chan struct{}, 1), quit: make(chan struct{}), caughtUp: make(chan struct{}),
	}
	sub.account.resume(to.Resume)
	return sub
}

// Account returns the account up to the last batch that was given. It waits for
// a batch under way.
func (s *Subscription) Account() Account {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.account.Account
}

// give brings a batch, or what of it is new to the subscriber.
func (s *Subscription) give(batch Batch) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.gone {
		return
	}
	s.settle(&batch)
	if !batch.isEmpty() {
		s.to.Batch(batch)
	}
}

// Offsets returns how far the clocks are taken to be ahead of the kernel's stamps;
// nil: that is not known yet.
func (s *Subscription) Offsets() *Offsets { return s.source.offsets.current() }

// Close ends the subscription: what the reader holds for it is given to it
// first, as far as ctx lets. The last one that leaves stops the reader. If Close
// returns nil, no method of the subscriber is called any more, and of the last
// one nothing is left.
func (s *Subscription) Close(ctx context.Context) error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.quit)
	var err error
	select {
	case <-s.caughtUp:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if s.shared.leave(s.source) {
		return errors.Join(err, s.source.stop(ctx))
	}
	return errors.Join(err, s.part(ctx))
}

// part leaves a source that others go on using.
func (s *Subscription) part(ctx context.Context) error {
	err := s.source.passedOn(ctx)
	s.source.remove(s)
	select {
	case s.turn <- struct{}{}: // also where ctx is over
		s.gone = true
		<-s.turn
		return err
	default:
	}
	select {
	case s.turn <- struct{}{}:
		s.gone = true
		<-s.turn
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
