package filelog

import (
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

var errSilent = errors.New("no answer")

// ask notes that something is asked of a path's file system.
func (w *work) ask(path string) {
	w.answers.Ask(path)
	if asking := w.receiver.tuning.asking; asking != nil {
		asking()
	}
}

// answered notes that there was an answer.
func (w *work) answered() {
	if w.answers.Answered() {
		w.reported = ""
	}
}

// tellSilent makes the receiver degraded: a source that is lost turns no condition
// healthy.
func (r *Receiver) tellSilent(path string) {
	r.settings.Report(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: fmt.Sprintf("the file system of %s does not answer", path), Err: errSilent,
		Remedy: "look at its disk or server; the files are read on as soon as it answers",
	})
}

// awaitFiles waits until the files are open. Where a file system does not answer,
// nobody need wait for their backlog: as for files that may not be read.
func (w *work) awaitFiles(opened <-chan struct{}) {
	timer := time.NewTimer(w.receiver.tuning.answer)
	defer timer.Stop()
	select {
	case <-opened:
		return
	case <-timer.C:
	}
	w.answers.Tell()
	w.batch.now = w.receiver.settings.Clock.Now()
	w.endBacklog()
}
