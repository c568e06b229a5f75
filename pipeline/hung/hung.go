// Package hung tells of questions to the kernel that have no answer. Who asks a file
// system whose server is gone, or whose disk hangs, waits in the kernel: no context and
// no deadline ends that, and who waits cannot say so.
package hung

import (
	"sync"
	"time"
)

// Watch watches what one goroutine asks, one question at a time. Between questions it
// has neither a goroutine nor a timer.
type Watch struct {
	limit time.Duration
	tell  func(asked string)

	mu    sync.Mutex
	timer *time.Timer
	asked string
	since time.Time // zero: nothing is asked
	told  bool      // that there is no answer
}

// NewWatch makes a watch that calls tell, with what is asked, once for each question that
// has no answer for so long. tell is called by another goroutine than the one that asks,
// and not after Answered has returned.
func NewWatch(limit time.Duration, tell func(asked string)) *Watch {
	return &Watch{limit: limit, tell: tell}
}

// Ask notes that something is asked now: a path, or whatever tell is to say.
func (w *Watch) Ask(asked string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.since, w.told = asked, time.Now(), false
	if w.timer == nil {
		w.timer = time.AfterFunc(w.limit, w.check)
	} else {
		w.timer.Reset(w.limit)
	}
}

// Answered notes that there is an answer, and tells whether it came so late that its
// lack was told.
func (w *Watch) Answered() (late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.since = time.Time{}
	return w.told
}

// check is called when the time of a question is over, perhaps of an earlier one.
func (w *Watch) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.since) >= w.limit {
		w.tellOnce()
	}
}

// Tell tells of what is asked now and has no answer yet, though its time is not over:
// somebody cannot wait for it.
func (w *Watch) Tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tellOnce()
}

// tellOnce tells of what is asked, if anything is. w.mu is held.
func (w *Watch) tellOnce() {
	if !w.since.IsZero() && !w.told {
		w.told = true
		w.tell(w.asked)
	}
}
