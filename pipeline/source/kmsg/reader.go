package kmsg

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// The reader's own bounds.
const (
	// lastReads is how many records are still read once the reader is to stop,
	// so that what is there already is not lost and a flood does not keep it.
	lastReads = 16 << 10
	// maxFailures is how many reads in a row may give no record. The kernel's
	// ring cannot hold that many that are too long.
	maxFailures = 1 << 20
)

// reader moves records from a device into a queue. Its run has a thread of its
// own, because a goroutine that shares one comes too late under load.
type reader struct {
	device *device
	queue  *queue
	// written counts the entries that the queue was given, for those who wait
	// until they are passed on.
	written *atomic.Uint64
	// recordSize is the size of the buffer for a record, at most MaxRecord.
	recordSize int
	// beforeDrain, if set, is called before each round of reading.
	beforeDrain func()

	next     uint64 // sequence number of the next record; 0: not known
	failures int
	scratch  [MaxRecord]byte
}

// run reads until the device's interrupt is raised, or until the device fails.
// It closes the queue.
func (r *reader) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.queue.close(r.follow())
}

func (r *reader) follow() error {
	for stopping := false; ; {
		if err := r.drain(stopping); err != nil || stopping {
			return err
		}
		_, raised, err := r.device.interrupt.Wait(r.device.waitFor)
		if err != nil {
			return err
		}
		stopping = raised
	}
}

// drain reads all that is there.
func (r *reader) drain(stopping bool) error {
	if r.beforeDrain != nil {
		r.beforeDrain()
	}
	r.queue.rewind()
	defer r.queue.commit()
	for reads := 0; ; reads++ {
		if !stopping && r.device.interrupt.Raised() {
			stopping, reads = true, 0
		}
		if stopping && reads == lastReads {
			return nil
		}
		drained, err := r.readOne()
		if drained || err != nil {
			return err
		}
	}
}

// readOne reads one record, straight into the queue where that has space.
func (r *reader) readOne() (drained bool, err error) {
	space := r.queue.space()
	to := space
	if space == nil {
		to = r.scratch[:]
	}
	n, err := r.device.read(to[:r.recordSize])
	switch {
	case err == nil:
		r.failures = 0
		r.take(to[:n], space != nil)
	case errors.Is(err, errDrained):
		if r.device.endBacklog() {
			r.note(note{backlogEnd: true})
		}
		return true, nil
	case errors.Is(err, errTooLong):
		if r.next > 0 {
			r.next++
		}
		r.lose(TooLong)
		return false, r.failed()
	case errors.Is(err, errOverrun), errors.Is(err, errSkipped):
		return false, r.failed()
	default:
		return false, err
	}
	return false, nil
}

// take queues a record that was read, or counts it as lost.
func (r *reader) take(raw []byte, queued bool) {
	sequence, ok := sequenceOf(raw)
	if !ok {
		r.lose(Malformed)
		return
	}
	r.next = sequence + 1
	startsLive := r.device.startsLive(sequence)
	if !queued {
		r.note(note{backlogEnd: startsLive})
		r.lose(QueueFull)
		return
	}
	r.queue.push(len(raw), startsLive)
	r.written.Add(1)
}

func (r *reader) lose(reason Reason) {
	lost := Loss{}
	lost[reason] = 1
	r.note(note{lost: lost, next: r.next})
}

func (r *reader) note(n note) {
	r.queue.note(n)
}

func (r *reader) failed() error {
	if r.failures++; r.failures > maxFailures {
		return fmt.Errorf("%d reads in a row gave no record", r.failures)
	}
	return nil
}
