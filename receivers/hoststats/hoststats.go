// Package hoststats measures the node: CPUs, memory, disks, file systems, network and
// what the kernel is. It reads /proc and /sys once an interval and keeps the reading;
// asynchronous instruments tell of it whenever somebody collects. So no scrape waits for
// a disk, and however many there are, the node is read once.
//
// A metric is a [definition]: one line in the table of its family. There are two: the
// semantic conventions of OpenTelemetry, and node-problem-detector's names.
package hoststats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// Receiver measures the node.
type Receiver struct {
	settings pipeline.Settings
	interval time.Duration
	node     func(context.Context) hoststat.Reading
	parts    hoststat.Parts
	counters counters
	sides    []side

	// latest is the newest reading; nil: there is none.
	latest atomic.Pointer[reading]
	// cut is what the families tell of until it is made anew, and endCuts ends that; nil:
	// each tells of the newest reading.
	cut     atomic.Pointer[reading]
	endCuts func()

	cancel   context.CancelFunc // nil: not started
	done     chan struct{}
	stopping sync.Once
	stopErr  error

	// digester belongs to the goroutine that Start begins.
	digester *digester
}

// side is one family of names.
type side struct {
	meter        metric.Meter
	definitions  []definition
	registration metric.Registration
}

var _ pipeline.Heir = (*Receiver)(nil)

// Inherit takes over the last reading, as far as it is wanted still, and what counters
// have been.
func (r *Receiver) Inherit(from pipeline.Component) {
	before, ok := from.(*Receiver)
	if !ok {
		return
	}
	if before.over() { // else the counters are still its own
		r.digester.inherit(before.digester)
	}
	if last := before.latest.Load(); last != nil {
		r.latest.Store(r.digester.wanted(last))
	}
}

// Start makes the metrics and begins to read, in a goroutine of its own.
func (r *Receiver) Start(ctx context.Context) error {
	if before := r.settings.NodeMeters.BeforeReading; before != nil {
		r.endCuts = before(func() { r.cut.Store(r.fresh()) })
	}
	for i := range r.sides {
		if err := r.register(&r.sides[i]); err != nil {
			return errors.Join(err, r.unregister())
		}
	}
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
	return nil
}

// register makes the metrics of one family, and tells them of the newest reading
// whenever they are collected.
func (r *Receiver) register(s *side) error {
	made, all, err := instruments(s.meter, s.definitions)
	if err != nil || len(all) == 0 {
		return err
	}
	s.registration, err = s.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		if last := r.told(); last != nil {
			for i := range made {
				one := made[i].observer
				one.to = to
				made[i].observe(&one, last)
			}
		}
		return nil
	}, all...)
	if err != nil {
		return fmt.Errorf("observe the node: %w", err)
	}
	return nil
}

// told is the reading that both families tell of; nil: there is none.
func (r *Receiver) told() *reading {
	if r.endCuts == nil {
		return r.fresh()
	}
	return r.cut.Load()
}

// staleAfter is after how many intervals without a new reading the last one is not told
// any more.
const staleAfter = 3

// fresh is the newest reading, unless it is too old; nil: there is none.
func (r *Receiver) fresh() *reading {
	last := r.latest.Load()
	if last == nil || r.settings.Clock.Now().Boot-last.at > staleAfter*max(r.interval, minFresh) {
		return nil
	}
	return last
}

// minFresh is the shortest interval that counts for what is too old: a machine that is
// busy reads late.
const minFresh = 10 * time.Second

// Shutdown ends the reading, and takes the metrics away.
func (r *Receiver) Shutdown(context.Context) error {
	if r.cancel == nil {
		return nil
	}
	r.stopping.Do(func() {
		r.stopErr = r.unregister()
		r.cancel()
		if !r.await() {
			r.stopErr = errors.Join(r.stopErr, errHangs)
		}
	})
	return r.stopErr
}

// errHangs is told of a reading that the kernel does not answer.
var errHangs = errors.New("the last reading of the node has not ended: a file in /proc or /sys does not answer, look at the kernel's log for tasks that hang")

// endPatience is how long a reading that is under way is waited for. Meanwhile scrapes wait
// where a successor takes over, and exporters at the end. What waits in the kernel cannot be
// ended: it is left behind, and tells nobody any more.
const endPatience = time.Second

// await waits for the goroutine, and tells whether it has ended.
func (r *Receiver) await() bool {
	patience := time.NewTimer(endPatience)
	defer patience.Stop()
	select {
	case <-r.done:
		return true
	case <-patience.C:
		return false
	}
}

// over tells whether nothing reads any more.
func (r *Receiver) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return r.cancel == nil
	}
}

func (r *Receiver) unregister() error {
	var errs []error
	if r.endCuts != nil {
		r.endCuts()
	}
	for i := range r.sides {
		if registration := r.sides[i].registration; registration != nil {
			errs = append(errs, registration.Unregister())
		}
	}
	return errors.Join(errs...)
}

// run reads at once, then once an interval.
func (r *Receiver) run(ctx context.Context) {
	if r.parts == 0 { // all groups that there are names for are off
		r.settings.Report(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		r.read(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// read makes one reading.
func (r *Receiver) read(ctx context.Context) {
	at := r.settings.Clock.Now().Boot
	node := r.node(ctx)
	if ctx.Err() != nil {
		return // it is over: what could not be read is no fault
	}
	r.report(ctx, &node)
	r.latest.Store(r.digester.digest(node, at))
}
