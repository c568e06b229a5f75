package filelog

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
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
	asking   asking
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
	w := &work{receiver: r, ctx: ctx, buffer: &file.Buffer{}, resumed: resumed, told: make(chan struct{}, 1)}
	w.batch.number = 1
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

// fill has the follower read.
func (w *work) fill(t *tail, now time.Duration) (more bool) {
	w.ask(t.path)
	defer w.answered()
	return t.follower.Fill(now)
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

// read takes the lines of one read of a path, and tells whether there may be more.
func (w *work) read(t *tail) (more bool) {
	w.batch.now = w.receiver.settings.Clock.Now()
	more = w.fill(t, w.batch.now.Boot)
	w.endStreams(t)
	for more {
		line, of, ok := t.follower.Line()
		if !ok {
			break
		}
		w.take(t, &line, of)
	}
	w.flush(t)
	w.count(t)
	return more && !w.refused
}

func (w *work) take(t *tail, line *file.Line, of file.Stream) {
	s := t.stream
	if s == nil || s.key.ID != of.ID {
		s = w.streamOf(t, of.ID)
		t.stream = s
	}
	if s.key != of {
		s.key, s.source = of, "file:"+t.path+":"+of.Key
	}
	t.dirty = true
	s.takenAt, s.when.Now = w.batch.now.Boot, w.batch.now.Wall
	s.assembler.take(line, &s.when, &w.batch.scratch)
}

// streamOf returns what is known of a file that is read.
func (w *work) streamOf(t *tail, id uint64) *stream {
	s := t.streams[id]
	if s == nil {
		s = w.newStream(t)
		t.streams[id] = s
	}
	return s
}

func (w *work) newStream(t *tail) *stream {
	s := w.receiver.newStream()
	s.assembler.emit = func(p *piece) { w.emit(t, s, p) }
	return s
}

// endStreams gives what is held back of files that have ended.
func (w *work) endStreams(t *tail) {
	for _, id := range t.follower.TakeEnded() {
		if s := t.streams[id]; s != nil {
			s.assembler.flush()
			delete(t.streams, id)
			t.stream = nil
		}
		t.dirty = true
	}
}

// settle gives what has been held back for long enough, or all, and tells when the
// backlog is over. Long enough is that a sweep which began so much later has found no
// more: an agent that gets no processor time has not waited.
func (w *work) settle(all bool) {
	w.batch.now = w.receiver.settings.Clock.Now()
	over := true
	for _, t := range w.tails {
		for _, s := range t.streams {
			if _, open := s.assembler.open(); open && (all || !t.more && w.sweptAt-s.takenAt >= joinPause) {
				t.dirty = true
				s.assembler.flush()
			}
			_, open := s.assembler.open()
			over = over && !open
		}
		caughtUp := t.follower.CaughtUp()
		if caughtUp && !t.follower.IsUnseen() {
			t.dirty = t.dirty || !t.live
			t.live, t.caughtUp = true, true
		}
		over = over && (t.caughtUp || caughtUp) // nobody waits for what cannot be read
		w.flush(t)
	}
	if over && !w.ended && !w.more {
		w.endBacklog()
	}
}

// endBacklog marks that all has been passed on that was there at the start. That may
// not be all of this boot: files are rotated away.
func (w *work) endBacklog() {
	r, now := w.receiver, w.batch.now
	mark := pipeline.Record{
		Time: now.Wall, ObservedTime: now.Wall, Boot: pipeline.BootTime{ID: r.settings.Boot.ID, At: now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.id,
		Attributes: pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, false)},
	}
	if w.refused || w.ctx.Err() != nil {
		return
	}
	w.ended = pipeline.Send(w.ctx, r.next, []pipeline.Record{mark}, func() {}) == nil
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
