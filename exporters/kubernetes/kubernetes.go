package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeconditions"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeevents"
	"github.com/otelnpd/otelnpd/pipeline"
)

// errShutDown is what the exporter answers to records after its Shutdown.
var errShutDown = errors.New("exporter " + Type + " is shut down")

// exporter joins the two halves, conditions and Events, over one client.
type exporter struct {
	api      API
	client   *apiserver.Client // nil: api is another one
	patcher  *nodeconditions.Patcher
	events   nodeevents.Options
	recorder *nodeevents.Recorder // nil: no Events are written
	health   *health
	nodeUID  *pipeline.NodeUID
	// before is the recorder of the exporter whose place this one takes.
	before *nodeevents.Recorder

	down     atomic.Bool
	stop     context.CancelFunc // nil before Start
	running  sync.WaitGroup
	shutdown sync.Once
	ended    error // of the first Shutdown
}

func newExporter(settings pipeline.Settings, config *Config, conditions Conditions, options []Option) (*exporter, error) {
	metrics, err := newMetrics(settings.ID, settings.Meter)
	if err != nil {
		return nil, err
	}
	e := &exporter{health: &health{report: settings.Report}, nodeUID: settings.NodeUID}
	e.nodeUID.Expect()
	for _, option := range options {
		option(e)
	}
	if e.api == nil {
		e.client = apiserver.New(config.APIServer, apiserver.Options{UserAgent: "otelnpd/" + settings.Version, Observe: metrics.observe})
		e.api = e.client
	}
	e.events = nodeevents.Options{
		Clock: settings.Clock, Logger: settings.Logger, Meter: settings.Meter, ID: settings.ID, Node: settings.Node, Boot: settings.Boot,
		Keeping: settings.Keeping, Write: e.api.WriteEvent, Status: e.health.setEvents,
	}
	if config.Events.Enabled {
		if e.recorder, err = nodeevents.New(config.Events, e.events); err != nil {
			return nil, err
		}
	}
	e.patcher, err = nodeconditions.New(nodeconditions.Config{
		Write: config.NodeConditions, LeaveDropped: config.DroppedConditions == DropLeave,
		WaitInterval: config.Wait.Interval, WaitTimeout: config.Wait.Timeout, HeartbeatPeriod: config.HeartbeatPeriod,
	}, nodeconditions.Options{
		ID: settings.ID, Conditions: conditions, API: e.api, Clock: settings.Clock, Logger: settings.Logger, Meter: settings.Meter,
		Node: settings.Node, Boot: settings.Boot, Run: settings.Host.Run, NodeSeen: e.nodeSeen, Status: e.health.setConditions,
	})
	return e, err
}

// Start begins to read the Node in the background. An API server that is away is
// no error: it is tried on.
func (e *exporter) Start(context.Context) error { //nolint:contextcheck // the work outlives the start
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.health.start()
	e.running.Go(func() { e.patcher.Run(ctx) })
	if e.recorder != nil {
		e.running.Go(func() { e.recorder.Run(ctx) })
	}
	return nil
}

func (e *exporter) nodeSeen(uid string) {
	e.nodeUID.Tell(uid)
	if e.recorder != nil {
		e.recorder.SetNode(uid)
	}
	e.health.nodeSeen()
}

// Consume takes what becomes Events, and has changes of conditions looked at. It
// never waits.
func (e *exporter) Consume(ctx context.Context, batch []pipeline.Record) error {
	if e.down.Load() {
		return errShutDown
	}
	if e.recorder != nil {
		if err := e.recorder.Record(ctx, batch); err != nil {
			return fmt.Errorf("%w: %w", errShutDown, err)
		}
	}
	if tellsOfConditions(batch) {
		e.patcher.Changed()
	}
	return nil
}

// tellsOfConditions leaves out provisional transitions: the Node is not known yet,
// and all that then holds comes once more.
func tellsOfConditions(batch []pipeline.Record) bool {
	for i := range batch {
		if transition := batch[i].Transition; transition != nil && !transition.Provisional {
			return true
		}
	}
	return false
}

// ConditionsChanged tells that the conditions to be told, or to be removed from the
// Node, may have changed without a transition: at a reload. It never waits.
func (e *exporter) ConditionsChanged() { e.patcher.Changed() }

// Shutdown ends the work in the background, tells the cluster what it has not been
// told yet, as far as ctx lets, and closes all connections. Where it hands over,
// what is left is for the successor to tell.
func (e *exporter) Shutdown(ctx context.Context) error {
	e.shutdown.Do(func() {
		handOver := pipeline.IsHandOver(ctx)
		e.down.Store(true)
		if e.stop != nil {
			e.stop()
			e.running.Wait()
		}
		if !handOver {
			e.ended = e.finish(ctx)
			e.patcher.Close()
		} else if e.recorder != nil {
			e.recorder.Retire() //nolint:contextcheck // counting needs no context
		}
		if e.client != nil {
			e.client.Close()
		}
	})
	return e.ended
}

// finish tells of the conditions first, since Events are told under the Node's
// UID; they have the larger part of the time.
func (e *exporter) finish(ctx context.Context) error {
	flush, cancel := context.WithDeadline(ctx, thirdOf(ctx))
	defer cancel()
	err := e.patcher.Flush(flush)
	if e.recorder != nil {
		err = errors.Join(err, e.recorder.Drain(ctx))
	}
	return err
}

// thirdOf is when a third of the time that ctx lets is over.
func thirdOf(ctx context.Context) time.Time {
	const unlimited = time.Minute
	left := unlimited
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return time.Now().Add(left / 3)
}
