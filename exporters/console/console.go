package console

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// exporter formats records into its outbox, from which one goroutine writes.
type exporter struct {
	logger  *slog.Logger
	keeping pipeline.Keeping
	format  format
	outbox  *outbox.Outbox[text]
	status  *pipeline.StatusChanges
	writer  *writer
	patient bool

	ended  chan struct{} // closed when the writer has ended
	cancel func()        // makes it end; nil before Start
	down   sync.Once
	left   atomic.Bool // what is in the outbox is for the next one
	// torn is how much the predecessor has written of the oldest record that it
	// leaves.
	torn int
}

func newExporter(settings pipeline.Settings, format format, out output) (*exporter, error) {
	box, err := outbox.New[text](settings.ID, settings.Meter, outbox.DefaultMaxBytes, reasonClosed, reasonFormat)
	if err != nil {
		return nil, err
	}
	box.OnChange(settings.Keeping.Changed)
	status := pipeline.NewStatusChanges(settings.Report)
	return &exporter{
		logger: settings.Logger, keeping: settings.Keeping, format: format, outbox: box, status: status, ended: make(chan struct{}),
		writer: &writer{outbox: box, out: out, status: status, retry: firstRetry, closing: make(chan struct{})},
	}, nil
}

// Start starts the writer.
func (e *exporter) Start(context.Context) error { //nolint:contextcheck // the writer outlives the start
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.status.Set(pipeline.Status{State: pipeline.ComponentOK})
	go func() {
		defer close(e.ended)
		e.writer.run(ctx)
	}()
	return nil
}

// Consume takes problems and transitions into the outbox and never waits for
// the output, unless it was asked to.
func (e *exporter) Consume(ctx context.Context, batch []pipeline.Record) error {
	entries := e.entries(batch)
	if e.patient {
		if err := e.outbox.WaitForRoom(ctx, entries...); err != nil {
			return fmt.Errorf("exporter %s waits for its output: %w", Type, err)
		}
	}
	dropped, err := e.outbox.Put(entries...)
	if err != nil {
		return fmt.Errorf("exporter %s is shut down: %w", Type, err)
	}
	if dropped > 0 {
		e.status.Set(pipeline.Status{
			State:  pipeline.ComponentDegraded,
			Reason: "the output is not being read, and records are dropped: the lowest severity and the oldest first",
			Remedy: "leave the pager, or mend what reads the output",
		})
	}
	return nil
}

// entries are the records of a batch that are written, as text.
func (e *exporter) entries(batch []pipeline.Record) []outbox.Entry[text] {
	var entries []outbox.Entry[text]
	for i := range batch {
		severity, wanted := severityOf(&batch[i])
		if !wanted {
			continue
		}
		if line := e.format.line(&batch[i]); line != nil {
			entries = append(entries, outbox.Entry[text]{Item: text{line: line}, Size: len(line), Severity: severity})
		}
	}
	return entries
}

// severityOf is what a record weighs, and whether it is written at all: lines
// are not, nor is what rules in mode observe see, nor a transition that was told
// before the Node's conditions were known.
func severityOf(record *pipeline.Record) (log.Severity, bool) {
	switch {
	case record.EventName == pipeline.EventProblem && record.Problem != nil:
		return record.Problem.Severity, !record.Problem.Observe
	case record.EventName == pipeline.EventTransition && record.Transition != nil:
		return record.Transition.Severity, !record.Transition.Repeated
	default:
		return 0, false
	}
}

// Shutdown writes what has been accepted, as long as ctx lets. The rest is kept
// where that outlives the agent or a successor takes it, and else dropped and
// counted. A write that hangs is given up, unless the output is neither file nor
// connection: then its goroutine stays until the write returns.
func (e *exporter) Shutdown(ctx context.Context) error {
	if e.left.Load() {
		return nil
	}
	handOver := pipeline.IsHandOver(ctx)
	e.outbox.Close()
	e.down.Do(func() { close(e.writer.closing) })
	if e.cancel != nil {
		e.stopWriter(ctx)
	}
	if handOver || e.keeping.KeepsAfter(ctx) {
		e.left.Store(true)
		left := e.outbox.Retire()
		if left > 0 && !handOver {
			e.logger.Info("records that the output has not taken are kept for the next start", "records", left)
		}
		return nil
	}
	left := e.outbox.Discard(outbox.ReasonShutdown)
	if hanging, _ := e.outbox.Len(); left+hanging > 0 {
		return fmt.Errorf("%d records could not be written to the output before the end", left+hanging)
	}
	return nil
}

// endPatience is how long a writer is waited for that was told to end.
const endPatience = time.Second

// stopWriter ends the writer, at the end of ctx where its output takes too long.
func (e *exporter) stopWriter(ctx context.Context) {
	select {
	case <-e.ended:
	case <-ctx.Done():
	}
	e.cancel()
	if _, plain := e.writer.out.(*plainOutput); !plain {
		// A write to a file on a disk that hangs cannot be called back.
		patience := time.NewTimer(endPatience)
		defer patience.Stop()
		select {
		case <-e.ended:
		case <-patience.C:
		}
		return
	}
	// Most likely it does not hang, and what it writes need not be written again.
	patience := time.NewTimer(pollWait)
	defer patience.Stop()
	select {
	case <-e.ended:
	case <-patience.C:
	}
}
