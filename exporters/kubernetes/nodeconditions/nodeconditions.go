// Package nodeconditions keeps the conditions of a Node as the condition store
// says: it reads the Node once, seeds the store with it, and patches what
// changes, and everything once a heartbeat.
package nodeconditions

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Conditions is what is needed of [condition.Store], whose methods say what these
// do. All are safe for concurrent use.
type Conditions interface {
	Seed(ctx context.Context, seed condition.Seed) error
	Resettle(ctx context.Context)
	Settled() <-chan struct{}
	Conditions() []pipeline.Condition
	Deletions() []string
	Claim(ctx context.Context, conditions []pipeline.Condition)
	NotePatched(c pipeline.Condition)
	NoteDeleted(conditionType string)
}

var _ Conditions = (*condition.Store)(nil)

// API is what is needed of [apiserver.Client], whose methods say what these do.
type API interface {
	Node(ctx context.Context, name string) (*apiserver.Node, error)
	PatchConditions(ctx context.Context, patch apiserver.Patch) (uid string, err error)
}

var _ API = (*apiserver.Client)(nil)

// Config says how the Node is written.
type Config struct {
	// Write tells whether the Node's conditions are written at all. Without, the
	// Node is only read: until it is seen, and once a heartbeat after that.
	Write bool
	// LeaveDropped leaves the types that are no longer declared on the Node as they
	// are, instead of deleting them there; they are then forgotten.
	LeaveDropped bool
	// WaitInterval is the time between two tries to read the Node until it is
	// seen first, give or take a tenth.
	WaitInterval time.Duration
	// WaitTimeout is after how long without the Node a warning is logged.
	WaitTimeout time.Duration
	// HeartbeatPeriod is the time between two patches without a change, give or
	// take a tenth.
	HeartbeatPeriod time.Duration
}

// Options are what a patcher works with. All are needed.
type Options struct {
	// ID is the exporter's, for metrics.
	ID         pipeline.ID
	Conditions Conditions
	API        API
	Clock      pipeline.Clock
	Logger     *slog.Logger
	Meter      metric.Meter
	// Node is the Node's name.
	Node string
	// Boot is the boot that the agent runs in.
	Boot pipeline.Boot
	// Run is the host's run directory. What tells in which boot the Node was
	// written last is kept below it.
	Run string
	// NodeSeen is told the Node's UID when it is first read, and each new one.
	NodeSeen func(uid string)
	// Status is told why the Node cannot be read or written, and nil once the
	// API server has taken a patch (where nothing is written: given the Node).
	Status func(err error)
}

// Patcher keeps the Node's conditions. Changed is safe for concurrent use.
type Patcher struct {
	config  Config
	options Options
	marker  marker
	metrics *metrics
	changed chan struct{}

	// The rest belongs to Run, and to Flush after it.

	backoff apiserver.Backoff
	// uid is the Node's; empty until it is seen.
	uid string
	// cutOff: ctx ended while the Node was read first.
	cutOff bool
	// written is the mark that is known to be in the run directory.
	written mark
	// markFailed: the marker could not be written, which has been logged.
	markFailed bool
	// accepted is what the Node took last.
	accepted content
	// owed: the last try failed, or there was none.
	owed bool
	// lost: the Node must be read again before it can be written.
	lost bool
	// notBefore is when the next request may be made.
	notBefore time.Time
	// heartbeat is when one is due though nothing has changed.
	heartbeat time.Time
}

// New makes a patcher that does nothing yet. Its error is that of its metrics.
func New(config Config, options Options) (*Patcher, error) {
	made, err := newMetrics(options.ID, options.Meter)
	if err != nil {
		return nil, err
	}
	return &Patcher{
		config: config, options: options, metrics: made, marker: newMarker(options.Run),
		changed: make(chan struct{}, 1), owed: true,
	}, nil
}

// Changed tells that a condition may have changed. It never waits.
func (p *Patcher) Changed() {
	select {
	case p.changed <- struct{}{}:
	default: // it will look anyway
	}
}

// Run reads the Node, seeds the store, and keeps the Node's conditions until ctx
// ends. It is called once. Its metrics are shown until Close.
func (p *Patcher) Run(ctx context.Context) {
	if err := p.metrics.publish(); err != nil {
		p.options.Logger.Warn("the metrics of the Node's conditions cannot be shown", "error", err)
	}
	if !p.begin(ctx) {
		return
	}
	if p.config.Write && !p.settled(ctx) {
		return
	}
	for p.wait(ctx) {
		begun := time.Now()
		err := p.tell(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			p.failed(err)
		default:
			p.succeeded(begun)
		}
	}
}

// Close ends the patcher for good, after Run and Flush: its metrics are no longer
// shown. One whose place is taken by another is not closed.
func (p *Patcher) Close() { p.metrics.hide() }

// begin makes the Node known: it is read and taken over, unless a patcher before
// this one has done so. It returns false when ctx has ended first.
func (p *Patcher) begin(ctx context.Context) bool {
	if p.uid != "" {
		if p.config.Write {
			p.options.Conditions.Resettle(ctx)
		}
		p.options.NodeSeen(p.uid)
		return true
	}
	node := p.find(ctx)
	if node == nil {
		return false
	}
	if p.config.Write {
		p.seed(ctx, node)
	}
	p.see(node.UID)
	if !p.config.Write {
		p.succeeded(time.Now())
	}
	return true
}

// settled waits until the Node may be told, or for the end of ctx.
func (p *Patcher) settled(ctx context.Context) bool {
	select {
	case <-p.options.Conditions.Settled():
		return true
	case <-ctx.Done():
		return false
	}
}
