package filelog

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// asking is a question to a file system. Who asks one that does not answer (a server
// that is gone, a disk that hangs) waits in the kernel, and cannot say so: another
// goroutine does.
type asking struct {
	mu     sync.Mutex
	path   string
	since  time.Time // zero: nothing is asked
	silent bool      // it was told that there is no answer
}

var errSilent = errors.New("no answer")

// ask notes that something is asked of a path.
func (w *work) ask(path string) {
	w.asking.mu.Lock()
	w.asking.path, w.asking.since = path, time.Now()
	w.asking.mu.Unlock()
	if asking := w.receiver.tuning.asking; asking != nil {
		asking()
	}
}

// answered notes that there was an answer.
func (w *work) answered() {
	w.asking.mu.Lock()
	defer w.asking.mu.Unlock()
	w.asking.since = time.Time{}
	if w.asking.silent {
		w.asking.silent, w.reported = false, ""
	}
}

// watchAnswers tells of questions that are not answered, until end is called.
func (w *work) watchAnswers() (end func()) {
	ticker := time.NewTicker(w.receiver.tuning.answer)
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-ticker.C:
				w.noteSilence(w.receiver.tuning.silence)
			case <-over:
				return
			}
		}
	})
	return func() {
		ticker.Stop()
		close(over)
		watch.Wait()
	}
}

// noteSilence makes the receiver degraded if nothing has been answered for so long: a
// source that is lost turns no condition healthy.
func (w *work) noteSilence(limit time.Duration) {
	w.asking.mu.Lock()
	defer w.asking.mu.Unlock()
	if w.asking.silent || w.asking.since.IsZero() || time.Since(w.asking.since) < limit {
		return
	}
	w.asking.silent = true
	w.receiver.settings.Report(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: fmt.Sprintf("the file system of %s does not answer", w.asking.path), Err: errSilent,
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
	w.noteSilence(0)
	w.batch.now = w.receiver.settings.Clock.Now()
	w.endBacklog()
}
