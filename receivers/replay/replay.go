// Package replay receives a saved kernel log: what was read from /dev/kmsg, or
// what dmesg, journalctl and syslog write.
package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// Receiver passes on a saved kernel log, once, from its start to its end.
type Receiver struct {
	settings pipeline.Settings
	options  Options
	next     pipeline.Consumer
	id       string
	cut      metric.Int64Counter
	receiver metric.MeasurementOption

	input  *input             // set by Start
	cancel context.CancelFunc // ends what Consume is given
	done   chan struct{}      // closed once the goroutine has ended

	// The rest belongs to the receiver's goroutine.
	parser parser
	batch  batch
	result Result
}

var _ pipeline.Component = (*Receiver)(nil)

// Start opens the input and begins to read it. An input that cannot be opened
// is an error: somebody has just asked for it.
func (r *Receiver) Start(ctx context.Context) error {
	in, err := openInput(r.options)
	if err != nil {
		return fmt.Errorf("open the saved kernel log: %w: name a file that this user may read, or - for standard input", err)
	}
	r.cut.Add(ctx, 0, r.receiver)
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.input, r.done = in, make(chan struct{})
	r.settings.Report(pipeline.Status{State: pipeline.ComponentOK})
	go r.run(ctx)
	return nil
}

// Shutdown ends the reading, wherever it is, and waits for the batch under way
// as far as ctx lets.
func (r *Receiver) Shutdown(ctx context.Context) error {
	if r.input == nil {
		return nil
	}
	defer context.AfterFunc(ctx, r.cancel)()
	defer r.cancel()
	in := r.input
	select {
	case <-r.done:
		return nil
	default:
	}
	if err := in.interrupt.Raise(); err != nil {
		return err
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Receiver) run(ctx context.Context) {
	defer close(r.done)
	defer r.input.close()
	err := r.read(ctx)
	if err != nil {
		r.result.Err = err
		r.settings.Report(pipeline.Status{
			State: pipeline.ComponentDegraded, Reason: "the saved kernel log was not read to its end",
			Remedy: "look at the error", Err: err,
		})
	}
	r.options.Ended(r.result)
}

func (r *Receiver) read(ctx context.Context) error {
	r.batch.init()
	lines := newLineReader(r.input)
	for number := uint64(1); ; number++ {
		line, err := lines.next()
		if err != nil {
			return r.end(ctx, err)
		}
		if more := lines.cut - r.result.Cut; more > 0 {
			r.result.Cut = lines.cut
			r.cut.Add(ctx, int64(more), r.receiver) //nolint:gosec // a count of lines
		}
		if r.batch.continues(line) {
			continue
		}
		r.finishRaw()
		if r.batch.isFull() || r.input.interrupt.Raised() {
			r.flush(ctx)
		}
		if r.input.interrupt.Raised() {
			return errStopped
		}
		r.take(line, number)
	}
}

// end passes on what is left and, at the input's end, the mark that it was all.
func (r *Receiver) end(ctx context.Context, err error) error {
	r.finishRaw()
	if !errors.Is(err, io.EOF) {
		r.flush(ctx)
		return err
	}
	now := r.options.Clock.Now()
	if n := len(r.batch.records); n > 0 {
		now = pipeline.Instant{Wall: r.batch.records[n-1].Time, Boot: r.batch.records[n-1].Boot.At}
	}
	r.flush(ctx)
	mark := pipeline.Record{
		Time: now.Wall, ObservedTime: time.Now(),
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.id,
	}
	return r.next.Consume(ctx, []pipeline.Record{mark})
}

// take adds a line to the batch.
func (r *Receiver) take(line []byte, number uint64) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if source.IsRecord(line) {
		r.batch.openRaw(line, number)
		return
	}
	record := r.batch.add(number)
	r.parser.text(record, r.batch.keep(line))
}

// finishRaw adds the record of /dev/kmsg that is complete now.
func (r *Receiver) finishRaw() {
	raw, number := r.batch.closeRaw()
	if raw == nil {
		return
	}
	record := r.batch.add(number)
	if err := source.Parse(record, raw); err != nil {
		r.parser.text(record, bytes.TrimSuffix(raw, []byte{'\n'}))
		return
	}
	r.parser.raw(record)
}

// flush passes the batch on.
func (r *Receiver) flush(ctx context.Context) {
	records := r.batch.finish(r.settings.Boot.ID, r.id)
	if len(records) == 0 {
		return
	}
	for i := range records {
		r.options.Clock.follow(records[i].Time, records[i].Boot.At, r.result.Lines+r.result.Refused == 0 && i == 0)
	}
	if err := r.next.Consume(ctx, records); err != nil {
		r.result.Refused += uint64(len(records))
		return
	}
	r.result.Lines += uint64(len(records))
}
