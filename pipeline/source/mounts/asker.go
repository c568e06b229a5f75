package mounts

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// How file systems are asked: at most so many at one time, and each look waits for
// them so long.
const (
	maxAsked = 16
	patience = 2 * time.Second
)

// Asker asks file systems, and waits for none that does not answer (a server that is
// gone, a disk that hangs): such a call waits in the kernel, where nothing can end it.
// Its goroutine is left behind, and the file system not asked again before it has
// returned. It is safe for concurrent use.
type Asker struct {
	clock pipeline.Clock
	age   time.Duration
	ask   func(*FileSystem) (Usage, error)
	slots chan struct{}

	mu       sync.Mutex
	byDevice map[string]*question
}

// question is one that a file system was asked.
type question struct {
	begun time.Duration // on the boot clock
	done  chan struct{} // closed once there is an answer
	usage Usage
	err   error
}

// NewAsker makes an asker whose answers may be of an age. ask is [Statfs], unless a test
// asks a recording.
func NewAsker(clock pipeline.Clock, age time.Duration, ask func(*FileSystem) (Usage, error)) *Asker {
	return &Asker{clock: clock, age: age, ask: ask, slots: make(chan struct{}, maxAsked), byDevice: map[string]*question{}}
}

// Answer is what a file system said.
type Answer struct {
	Of    *FileSystem
	Usage Usage
	Err   error
}

// All asks all of a list. It takes [patience] at most.
func (a *Asker) All(ctx context.Context, list []FileSystem) (answers []Answer) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asked := make([]*question, len(list))
	for i := range list {
		asked[i] = a.begin(ctx, list[i])
	}
	for i, q := range asked {
		answers = append(answers, a.wait(ctx, &list[i], q))
	}
	a.forget()
	return answers
}

// Waiting is how many file systems have been asked and have not answered yet.
func (a *Asker) Waiting() int { return len(a.slots) }

// begin asks a file system unless it has been asked; nil: too many hang.
func (a *Asker) begin(ctx context.Context, of FileSystem) *question {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now().Boot
	if q := a.byDevice[of.Device]; q != nil && (!q.answered() || now-q.begun < a.age) {
		return q
	}
	select {
	case a.slots <- struct{}{}:
	default:
		if !a.waitForSlot(ctx) {
			return nil
		}
	}
	q := &question{begun: now, done: make(chan struct{})}
	a.byDevice[of.Device] = q
	go func() {
		q.usage, q.err = a.ask(&of)
		close(q.done)
		<-a.slots
	}()
	return q
}

func (a *Asker) waitForSlot(ctx context.Context) bool {
	select {
	case a.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (q *question) answered() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

func (a *Asker) wait(ctx context.Context, of *FileSystem, q *question) Answer {
	if q == nil {
		return Answer{Of: of, Err: hangs(of, fmt.Sprintf("was not asked, since %d others do not answer", maxAsked))}
	}
	select {
	case <-q.done:
	case <-ctx.Done():
	}
	if !q.answered() {
		since := (a.clock.Now().Boot - q.begun).Round(time.Second)
		return Answer{Of: of, Err: hangs(of, fmt.Sprintf("has not answered for %s", max(since, patience)))}
	}
	return Answer{Of: of, Usage: q.usage, Err: q.err}
}

func hangs(of *FileSystem, how string) error {
	return hostview.NewBlind("the file system "+of.String()+" "+how, "look at the disk or server behind it, or exclude it")
}

// forget drops the answers that nobody may use any more.
func (a *Asker) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now().Boot
	for device, q := range a.byDevice {
		if q.answered() && now-q.begun >= a.age {
			delete(a.byDevice, device)
		}
	}
}
