package console

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// The reasons for which the exporter drops records, beside the outbox's own.
const (
	// reasonClosed counts records that nobody was left to read.
	reasonClosed = "output_closed"
	// reasonFormat counts records that were kept in a format which is no longer
	// written.
	reasonFormat = "format_changed"
)

// batchBytes is how much is written at a time.
const batchBytes = 64 << 10

// The wait before a failed write is tried again doubles from firstRetry to
// lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// text is a record as it is written.
type text struct {
	line []byte
	// written is how much of the line the output has already, where a write ended
	// in its middle: the next one goes on there. Only this process knows its output.
	written int
}

func (t text) rest() []byte { return t.line[t.written:] }

// writer takes lines out of the outbox and writes them. Its run has it alone.
type writer struct {
	outbox *outbox.Outbox[text]
	out    output
	status *pipeline.StatusChanges
	retry  time.Duration // the first wait
	// closing is closed when the exporter shuts down: a write that waits to be
	// tried again is tried at once.
	closing chan struct{}
}

// run writes until the outbox is closed and empty, or ctx ends.
func (w *writer) run(ctx context.Context) {
	for {
		batch, err := w.outbox.Next(ctx, batchBytes)
		if err != nil {
			return
		}
		w.deliver(ctx, batch)
	}
}

// deliver writes a batch. What a failed write has left goes on behind it, so
// that no line is torn or told twice.
//
//nolint:contextcheck // the outbox counts, and counting needs no context
func (w *writer) deliver(ctx context.Context, batch *outbox.Batch[text]) {
	var lines []byte
	for _, entry := range batch.Entries {
		lines = append(lines, entry.Item.rest()...)
	}
	closing := w.closing
	wait := w.retry
	for written := 0; ; {
		n, err := w.out.write(ctx, lines[written:])
		written += n
		switch {
		case err == nil:
			faultpoint.Reach("console.written")
			w.delivered(batch)
			return
		case ctx.Err() != nil:
			split(batch, written).Return()
			return
		case isClosed(err):
			split(batch, written).Drop(reasonClosed)
			w.closed(err)
			return
		}
		w.failed(err)
		if !pause(ctx, wait, closing) {
			closing = nil // once: from now on every wait is waited
		}
		wait = min(2*wait, lastRetry)
	}
}

// pause waits, and tells whether it was to the end.
func pause(ctx context.Context, wait time.Duration, closing <-chan struct{}) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return true
	case <-closing:
		return false
	}
}

// split ends the entries of a batch that are wholly written, and returns the
// others, of which the first knows how much of it is.
func split(batch *outbox.Batch[text], written int) *outbox.Batch[text] {
	whole := 0
	for ; whole < len(batch.Entries); whole++ {
		item := &batch.Entries[whole].Item
		rest := len(item.rest())
		if written < rest {
			item.written += written
			break
		}
		written -= rest
	}
	batch.Split(whole).Done()
	return batch
}

// delivered tells that all is well once nothing waits any more.
func (w *writer) delivered(batch *outbox.Batch[text]) {
	batch.Done()
	if waiting, _ := w.outbox.Len(); waiting == 0 {
		w.status.Set(pipeline.Status{State: pipeline.ComponentOK})
	}
}

func (w *writer) failed(err error) {
	remedy := "see to the file that the output goes to"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		remedy = "free space on the file system that the output goes to"
	}
	w.status.Set(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: "write to the output: " + err.Error(), Remedy: remedy, Err: err,
	})
}

func (w *writer) closed(err error) {
	w.status.Set(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: "nobody reads the output any more: " + err.Error(),
		Remedy: "start the agent again with a reader, or without the console exporter", Err: err,
	})
}

// isClosed tells whether no later write can succeed.
func isClosed(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EBADF) ||
		errors.Is(err, os.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
