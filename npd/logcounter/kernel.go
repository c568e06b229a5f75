package logcounter

import (
	"context"
	"fmt"
	"log/slog"
	"math"

	"github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// countKernel counts the lines that the kernel's log has now.
func countKernel(ctx context.Context, t *tally, counted span, host Host, path string) (Result, error) {
	// The kernel's stamps are ahead of the clocks by up to a second: what is there when
	// it is opened was written before.
	counted.until = math.MaxInt64
	k := kernel{tally: t, counted: counted, over: make(chan struct{})}
	shared := kmsg.NewShared(kmsg.Options{Logger: slog.New(slog.DiscardHandler), Clock: host.Clock})
	take := func(batch kmsg.Batch) {
		if ctx.Err() == nil { // else nobody waits for it
			k.take(batch)
		}
	}
	subscription := shared.Subscribe(path, host.Proc, kmsg.Subscriber{Batch: take, State: k.state})
	var err error
	select {
	case <-k.over:
	case <-ctx.Done():
		err = tooLong(ctx.Err())
	}
	if closing := subscription.Close(context.WithoutCancel(ctx)); err == nil && closing != nil {
		err = fmt.Errorf("read the kernel's log %s: %w", path, closing)
	}
	switch {
	case k.fault != nil:
		return Result{}, fmt.Errorf("%w: %s", k.fault, k.fault.Remedy)
	case err != nil:
		return Result{}, err
	}
	return Result{Found: t.found, Notes: k.notes()}, nil
}

// kernel takes what the kernel's log has when it is opened.
type kernel struct {
	tally   *tally
	counted span
	lost    uint64
	fault   *kmsg.Fault
	over    chan struct{} // closed once that was all, or there is a fault
	ended   bool
}

// take takes what comes, until all is there that there was.
func (k *kernel) take(batch kmsg.Batch) {
	if k.ended {
		return
	}
	k.lost += batch.Lost.Total()
	for i := range batch.Records {
		if record := &batch.Records[i]; k.counted.has(record.Time.UnixMicro()) {
			k.tally.add(record.Text)
		}
	}
	if batch.BacklogEnd {
		k.end()
	}
}

// state hears how the source does.
func (k *kernel) state(fault *kmsg.Fault) {
	if fault != nil && !k.ended {
		k.fault = fault
		k.end()
	}
}

func (k *kernel) end() {
	k.ended = true
	close(k.over)
}

func (k *kernel) notes() (list []string) {
	if k.lost > 0 {
		list = append(list, fmt.Sprintf("%d records of the kernel's log were lost before they could be read", k.lost))
	}
	return list
}
