package journald

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal"
)

// tuning is what tests set differently.
type tuning struct {
	answer   time.Duration // that the file systems have at start until nobody waits for them
	silence  time.Duration // after which one does not answer any more
	patience time.Duration // that Shutdown has with what does not end with its context
	stale    time.Duration // that a journal may seem to be nobody's
	files    int           // that are open at most; 0: as many as the reader opens

	asking func(what string) // is called before the file system is asked; nil: nothing is
}

var defaultTuning = tuning{answer: 2 * time.Second, silence: 10 * time.Second, patience: 5 * time.Second, stale: 5 * time.Minute}

func (t *tuning) ask(what string) {
	if t.asking != nil {
		t.asking(what)
	}
}

var errSilent = errors.New("no answer")

// opening is an opened journal, and the records that come first.
type opening struct {
	reader *journal.Reader
	first  []pipeline.Record
	err    error
}

// open opens the journal and goes to where reading begins.
func (r *Receiver) open(ctx context.Context) opening {
	r.tuning.ask("open")
	reader, err := journal.Open(r.options())
	if err != nil {
		return opening{err: err}
	}
	r.reader = reader
	return opening{reader: reader, first: r.begin(ctx)}
}

// await waits until the journal is open. Who asks a file system that does not answer (a
// server that is gone, a disk that hangs) waits in the kernel: then nobody need wait
// for its backlog, and ok is false.
func (r *Receiver) await(ctx context.Context, opened <-chan opening) (o opening, ok bool) {
	timer := time.NewTimer(r.tuning.answer)
	defer timer.Stop()
	select {
	case o = <-opened:
		r.tellOpened(&o)
		return o, true
	case <-timer.C:
	}
	r.tellSilent("")
	// Not r.records: that is the opening's until it is done.
	r.marked = true
	if err := pipeline.Send(ctx, r.next, []pipeline.Record{r.backlogEnd()}, func() {}); err != nil {
		r.settings.Logger.Debug("the pipelines took no mark", "error", err)
	}
	return o, false
}

func (r *Receiver) tellOpened(o *opening) {
	if o.err == nil {
		r.settings.Report(r.status(o.reader))
	}
}

// ask does what asks the file system, and has it told when there is no answer.
func (r *Receiver) ask(what string, question func()) {
	r.watch.Ask(what)
	r.tuning.ask(what)
	question()
	if r.watch.Answered() {
		r.settings.Report(r.status(r.reader))
	}
}

// tellSilent makes the receiver degraded until the next status: a source that is lost
// turns no condition healthy.
func (r *Receiver) tellSilent(string) {
	r.settings.Report(pipeline.Status{
		State: pipeline.ComponentDegraded, Err: errSilent,
		Reason: "the file system of " + strings.Join(r.config.Directories, ", ") + " does not answer",
		Remedy: "look at its disk or server; the journal is read as soon as it answers",
	})
}

// follow passes on what an opened journal has, and closes it.
func (r *Receiver) follow(reading, sending context.Context, o *opening) {
	if o.err != nil {
		r.settings.Logger.Error("the journal is not read", "error", o.err)
		return
	}
	r.run(reading, sending, o.first)
	if err := o.reader.Close(); err != nil {
		r.settings.Logger.Debug("close the journal", "error", err)
	}
}
