package state

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
)

// encodeError is a fault of the agent: what is kept cannot be written as a file.
type encodeError struct{ error }

func (e *encodeError) Unwrap() error { return e.error }

// report tells how the state does, unless that is what was told last.
func (w *Writer) report(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setStatus(err)
}

// setStatus is report, with mu held: statuses come in the order of what they tell.
func (w *Writer) setStatus(err error) {
	if w.reported && reason(err) == reason(w.degraded) {
		return
	}
	w.reported, w.degraded = true, err
	w.metrics.setDegraded(err != nil)
	if err == nil {
		w.options.Report(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	w.options.Report(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: reason(err), Remedy: remedy(err, w.options.Dir), Err: err,
	})
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// remedy says what an operator can do.
func remedy(err error, dir string) string {
	var fault *encodeError
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "free space on the file system of " + dir
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Sprintf("make %s writable for the agent", dir)
	case errors.Is(err, ErrLocked):
		return "stop the other agent, or give this one a state directory of its own"
	case errors.Is(err, pipeline.ErrStalled):
		return "see which component hangs; what is reported meanwhile may be reported again after a restart"
	case errors.As(err, &fault):
		return "report this as a fault of otelnpd"
	default:
		return "look at the disk of " + dir
	}
}
