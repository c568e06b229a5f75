package kmsg

import (
	"errors"
	"slices"
)

// fruitless is how many rounds that find nothing new a subscriber that catches
// up makes at most before it joins the others all the same.
const fruitless = 100

// add takes on a subscriber while the source is already being read. It catches
// up on a descriptor of its own, in a goroutine, and then joins the others.
func (s *source) add(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.to.State(s.fault)
	if s.device == nil { // once it opens everybody begins at the oldest record
		close(sub.caughtUp)
		s.subs = append(slices.Clip(s.subs), sub)
		return
	}
	var own *device
	if s.device.canReadAgain() {
		var err error
		if own, err = openDevice(s.path); err != nil {
			sub.to.State(newFault(s.path, s.proc, err))
		}
	}
	sub.check(s.device)
	go s.catchUp(sub, own)
}

// catchUp gives a new subscriber what the others have had. Without a device it
// has nothing to catch up on.
func (s *source) catchUp(sub *Subscription, device *device) {
	defer close(sub.caughtUp)
	if device == nil {
		sub.give(Batch{BacklogEnd: true, Now: s.shared.options.Clock.Now()})
		s.join(sub, true)
		return
	}
	defer device.close()
	c := catcher{device: device, batches: assembler{clock: s.shared.options.Clock, offsets: &s.offsets, deliver: sub.give}}
	for idle := 0; ; {
		select {
		case <-sub.quit:
			return
		default:
		}
		before := c.next
		if err := c.round(s.shared.tuning.recordSize); err != nil {
			s.shared.options.Logger.Warn("an additional reader of the kernel's log misses what it has not read yet of the time before its start",
				"path", s.path, "error", err)
			c.batches.note(note{backlogEnd: true})
			s.join(sub, true)
			return
		}
		if c.next == before {
			idle++
		}
		if device.live && s.join(sub, idle >= fruitless) {
			return
		}
	}
}

// join adds the subscriber to those who are given batches, if it has had all
// that they have had, or in any case. Nothing is given twice: what it has had
// it is not given again.
func (s *source) join(sub *Subscription, inAnyCase bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-sub.quit:
		return true
	default:
	}
	if sub.Next < s.claimed && !inAnyCase {
		return false
	}
	s.subs = append(slices.Clip(s.subs), sub)
	sub.to.State(s.fault) // what kept it from catching up is over
	return true
}

// catcher reads a device at the subscriber's own pace.
type catcher struct {
	device  *device
	batches assembler
	arena   [chunkSize]byte
	next    uint64 // sequence number of the next record; 0: not known
}

// round reads and delivers what is there, as far as it fits the arena.
func (c *catcher) round(recordSize int) error {
	defer c.batches.flush()
	for at := 0; len(c.arena)-at >= MaxRecord; {
		n, err := c.device.read(c.arena[at : at+recordSize])
		switch {
		case err == nil:
			c.record(c.arena[at : at+n])
			at += n
		case errors.Is(err, errDrained):
			if c.device.endBacklog() {
				c.batches.note(note{backlogEnd: true})
			}
			return nil
		case errors.Is(err, errTooLong):
			c.tooLong()
		case errors.Is(err, errOverrun), errors.Is(err, errSkipped):
		default:
			return err
		}
	}
	return nil
}

func (c *catcher) record(raw []byte) {
	if sequence, ok := sequenceOf(raw); ok {
		c.next = sequence + 1
		if c.device.startsLive(sequence) {
			c.batches.note(note{backlogEnd: true})
		}
	}
	c.batches.record(raw)
}

func (c *catcher) tooLong() {
	if c.next > 0 {
		c.next++
	}
	lost := Loss{}
	lost[TooLong] = 1
	c.batches.note(note{lost: lost, next: c.next})
}
