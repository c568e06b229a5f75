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

	closing sync.Mutex
	closed  bool // by closing: Close was called

	turn chan struct{} // full while one uses what follows
	gone bool
	account
}

// account is what one subscriber has had.
type account struct {
	Account
	started      bool
	backlogEnded bool
}

// Account says what became of the records since the subscription began:
// Received + Lost.Total() = Next − First, unless bytes that were no record had
// no number either.
type Account struct {
	// First is the first sequence number, Next the one behind the last.
	First, Next uint64
	Received    uint64
	Lost        Loss
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

// settle takes out of the batch what the subscriber has had already, and enters
// the rest.
func (a *account) settle(batch *Batch) {
	for a.started && len(batch.Records) > 0 && batch.Records[0].Sequence < a.Next {
		batch.Records = batch.Records[1:]
	}
	if !a.started && len(batch.Records) > 0 {
		a.started = true
		a.First, a.Next = batch.Records[0].Sequence, batch.Records[0].Sequence
	}
	received := uint64(len(batch.Records))
	batch.Next = max(batch.Next, a.Next)
	if a.started {
		batch.Lost.fit(batch.Next - a.Next - received)
	}
	batch.BacklogEnd = batch.BacklogEnd && !a.backlogEnded
	a.Next = batch.Next
	a.Received += received
	a.Lost.add(batch.Lost)
	a.backlogEnded = a.backlogEnded || batch.BacklogEnd
}

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
	case s.turn <- struct{}{}:
		s.gone = true
		<-s.turn
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
