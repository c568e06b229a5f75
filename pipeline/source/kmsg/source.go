package kmsg

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The waits between attempts to open a source.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// source is one path, its reader and who subscribed to it.
type source struct {
	shared  *Shared
	path    string
	proc    string
	offsets offsets
	users   int // guarded by Shared.mu

	quit  chan struct{} // closed to stop
	done  chan struct{} // closed once all has ended
	abort atomic.Bool   // what the queue holds is not wanted any more

	written atomic.Uint64 // entries that the reader has queued

	mu      sync.Mutex
	device  *device // open; nil: not
	fault   *Fault
	subs    []*Subscription // replaced, never changed
	claimed uint64          // the sequence number behind what subs were or are being given
	passed  uint64          // of written, those that subs have been given
	waiting []waiter
}

type waiter struct {
	until uint64
	done  chan struct{}
}

func newSource(shared *Shared, path, proc string) *source {
	return &source{shared: shared, path: path, proc: proc, users: 1, quit: make(chan struct{}), done: make(chan struct{})}
}

// start opens the source for its first subscriber and begins to read.
func (s *source) start(first *Subscription) {
	close(first.caughtUp)
	s.subs = []*Subscription{first}
	device, err := s.open()
	s.setState(device, err)
	go s.run(device)
}

func (s *source) open() (*device, error) {
	return openDevice(s.path)
}

// setState notes whether the source is open and tells all subscribers.
func (s *source) setState(device *device, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.device, s.fault = device, nil
	if err != nil {
		s.fault = newFault(s.path, s.proc, err)
	}
	for _, sub := range s.subs {
		sub.check(device)
		sub.to.State(s.fault)
	}
}

// run reads until stop is called. A source that cannot be opened or that fails
// is opened again and again.
func (s *source) run(device *device) {
	defer close(s.done)
	for device = s.reopen(device); device != nil; device = s.reopen(nil) {
		err := s.follow(device)
		s.closeDevice(device)
		if err == nil {
			return
		}
		s.setState(nil, err)
	}
}

// reopen opens the source, unless it is open; nil: it was told to stop.
func (s *source) reopen(opened *device) *device {
	for wait := firstRetry; opened == nil; wait = min(2*wait, lastRetry) {
		timer := time.NewTimer(wait)
		select {
		case <-s.quit:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		device, err := s.open()
		s.setState(device, err)
		opened = device
	}
	return opened
}

// follow brings all that comes from the device to the subscribers, until stop
// or until the device fails.
func (s *source) follow(device *device) error {
	queue := newQueue(s.shared.tuning.chunks)
	reader := &reader{
		device: device, queue: queue, written: &s.written,
		recordSize: s.shared.tuning.recordSize, beforeDrain: s.shared.tuning.beforeDrain,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		reader.run()
	}()
	if s.stopping() { // stop came before the device was there to be told
		_ = device.interrupt.Raise()
	}
	batches := assembler{clock: s.shared.options.Clock, offsets: &s.offsets, deliver: s.deliver}
	for {
		entries, behind := queue.take()
		if entries == nil && behind.isZero() {
			break
		}
		if s.abort.Load() {
			queue.release(entries)
			continue
		}
		if entries == nil {
			batches.note(behind)
			batches.flush()
			continue
		}
		batches.entries(entries)
		queue.release(entries)
	}
	<-ended
	return queue.failure()
}

func (s *source) stopping() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

func (s *source) closeDevice(device *device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.device = nil
	device.close()
}

// deliver brings a batch to every subscriber, one after the other.
func (s *source) deliver(batch Batch) {
	s.mu.Lock()
	s.claimed = batch.Next
	subs := s.subs
	s.mu.Unlock()
	for _, sub := range subs {
		sub.give(batch)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed += batch.read
	s.wake()
}

// wake lets go on who has waited for what is passed on now.
func (s *source) wake() {
	s.waiting = slices.DeleteFunc(s.waiting, func(w waiter) bool {
		if s.passed < w.until {
			return false
		}
		close(w.done)
		return true
	})
}

// passedOn waits until all that the reader has queued by now has been given to
// the subscribers.
func (s *source) passedOn(ctx context.Context) error {
	s.mu.Lock()
	w := waiter{until: s.written.Load(), done: make(chan struct{})}
	if s.passed >= w.until {
		s.mu.Unlock()
		return nil
	}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends all, after the subscribers have got what was read, as far as ctx
// lets.
func (s *source) stop(ctx context.Context) error {
	close(s.quit)
	s.mu.Lock()
	var err error
	if s.device != nil {
		err = s.device.interrupt.Raise()
	}
	s.mu.Unlock()
	select {
	case <-s.done:
		return err
	case <-ctx.Done():
		s.abort.Store(true)
		return errors.Join(err, ctx.Err())
	}
}

// remove takes a subscriber off.
func (s *source) remove(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = slices.DeleteFunc(slices.Clone(s.subs), func(one *Subscription) bool { return one == sub })
}
