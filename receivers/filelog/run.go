package filelog

import (
	"context"
	"errors"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/hung"
	"github.com/otelnpd/otelnpd/pipeline/inotify"
	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

var (
	errTooMany = errors.New("too many files")
	errNoFile  = errors.New("no file")
)

// work is what the receiver's goroutine holds.
type work struct {
	receiver *Receiver
	ctx      context.Context //nolint:containedctx // that of the goroutine, which nothing outlives
	buffer   *file.Buffer
	batch    batch
	tails    []*tail
	resumed  map[string]*keptPath // until the tails are made
	begun    bool                 // what is new from now on is read from its beginning
	told     chan struct{}
	notifier *inotify.Notifier // nil: there is none
	answers  *hung.Watch       // over what is asked of file systems
	blind    bool
	tooMany  bool
	pulsed   bool // the kernel has told of a change since the last look
	more     bool // there was more to read when it was left
	refused  bool // a batch was refused: none is passed on any more
	ended    bool // the mark at the end of the backlog is sent

	enumerated  time.Duration
	enumerateAt time.Duration
	lookAt      time.Duration
	sweptAt     time.Duration // when the last sweep began
	lostFiles   lostFiles
	reported    string
}

func newWork(ctx context.Context, r *Receiver, resumed map[string]*keptPath) *work {
	w := &work{
		receiver: r, ctx: ctx, buffer: &file.Buffer{}, resumed: resumed, told: make(chan struct{}, 1),
		answers: hung.NewWatch(r.tuning.silence, r.tellSilent),
	}
	w.batch.number, w.batch.records = 1, make([]pipeline.Record, 0, maxBatch)
	return w
}

// begin makes the tails: what is in their files by now is backlog.
func (w *work) begin() {
	w.enumerate()
	now := w.receiver.settings.Clock.Now().Boot
	for _, t := range w.tails {
		w.fill(t, now)
	}
}

func (w *work) run() {
	w.report()
	defer func() {
		for _, t := range w.tails {
			t.follower.Close()
		}
	}()
	notifier, err := inotify.Open(func() {
		select {
		case w.told <- struct{}{}:
		default:
		}
	})
	if err != nil {
		w.receiver.settings.Logger.Info("changes are noticed late: files are looked at now and then",
			"every", w.receiver.tuning.poll.String(), "reason", err.Error())
	} else {
		w.notifier = notifier
		defer notifier.Close()
		w.watch() // also where there is no path yet that could have moved
	}
	w.loop()
	if !w.receiver.settings.Keeping.Durable() { // else it is read again
		w.settle(true)
	}
}

// loop reads, and waits until there is more to do.
func (w *work) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !w.isStopping() {
		w.sweep()
		timer.Reset(w.pause(w.receiver.tuning.glance, glanceCost))
		select { // that far apart at least
		case <-timer.C:
		case <-w.receiver.stopping:
			return
		}
		timer.Reset(w.wait())
		select {
		case <-timer.C:
		case <-w.told:
			w.pulsed = true
		case <-w.receiver.stopping:
			return
		}
	}
}

func (w *work) isStopping() bool {
	select {
	case <-w.receiver.stopping:
		return true
	default:
		return w.refused
	}
}

// What a path makes two glances, and two looks, be apart: some hundred times of what
// they cost of processor time, so that one busy file among a thousand stays cheap.
const (
	glanceCost = 100 * time.Microsecond
	lookCost   = time.Millisecond
)

// pause is how far apart things are that are done with all paths.
func (w *work) pause(least, each time.Duration) time.Duration {
	return max(least, time.Duration(len(w.tails))*each)
}

// maxRounds is how often each path is read before other things are seen to.
const maxRounds = 32

// sweep reads what is new.
func (w *work) sweep() {
	now := w.receiver.settings.Clock.Now()
	w.sweptAt = now.Boot
	w.receiver.measure(now)
	if now.Boot >= w.enumerateAt || w.pulsed && now.Boot >= w.enumerated+w.receiver.tuning.poll {
		w.enumerate()
	}
	if now.Boot >= w.lookAt {
		w.lookAt, w.pulsed = now.Boot+w.pause(w.receiver.tuning.look, lookCost), false
		for _, t := range w.tails {
			t.follower.Changed()
		}
	}
	moved := false
	w.more = true
	for rounds := 0; w.more && rounds < maxRounds; rounds++ {
		w.more = false
		for _, t := range w.tails {
			if w.isStopping() {
				return
			}
			if rounds > 0 && !t.more {
				continue
			}
			t.more = w.read(t)
			w.more = w.more || t.more
			if t.follower.TakeMoved() {
				moved, t.dirty = true, true
			}
		}
	}
	if moved {
		w.watch()
	}
	w.settle(false)
	w.drop(now.Boot)
	w.report()
}

// wait is how long nothing is to be done unless the kernel tells of a change.
func (w *work) wait() time.Duration {
	now := w.receiver.settings.Clock.Now().Boot
	wait := w.enumerateAt - now
	switch {
	case w.more:
		wait = 0
	case w.pulsed: // it may be of the path, which was looked at just before
		wait = min(wait, w.lookAt-now)
	}
	for _, t := range w.tails {
		wait = min(wait, t.follower.Wait(now))
		for _, s := range t.streams {
			if _, open := s.assembler.open(); open {
				wait = min(wait, s.takenAt+joinPause-now)
			}
		}
	}
	return max(wait, time.Millisecond)
}

// report tells the status where it has changed.
func (w *work) report() {
	status := pipeline.Status{State: pipeline.ComponentOK}
	if fault := w.fault(); fault != nil {
		status = pipeline.Status{State: pipeline.ComponentDegraded, Reason: fault.Reason, Remedy: fault.Remedy, Err: fault}
	}
	if text := status.State.String() + status.Reason; text != w.reported {
		w.reported = text
		w.receiver.settings.Report(status)
	}
}
