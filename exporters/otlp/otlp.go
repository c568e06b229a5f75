package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/log"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/logrecord"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
	"github.com/otelnpd/otelnpd/pipeline/resource"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// maxLineBytes bounds what is held of raw lines, beside the outbox of all that is told.
const maxLineBytes = outbox.DefaultMaxBytes / 2

// exporter encodes records into its outboxes, from which one goroutine sends: problems
// and transitions before raw lines. Another one sends metrics.
type exporter struct {
	logger  *slog.Logger
	keeping pipeline.Keeping
	node    string
	outbox  *outbox.Outbox[encoded]
	lines   *outbox.Outbox[encoded] // beside it
	status  *status
	sender  *sender
	pusher  *pusher  // nil: no metrics are sent
	odd     []string // to be told at the start

	ended  chan struct{} // closed when the sender and the pusher have ended
	cancel func()        // makes them end; nil before Start
	down   sync.Once
	// keeps tells that what is left when the exporter shuts down is kept.
	keeps     atomic.Bool
	left      atomic.Bool // what is in the outbox is for the next one
	full      atomic.Bool // it was told that records are dropped
	linesFull atomic.Bool // and that raw lines are
	// silent: metrics are sent, and no record has come yet.
	silent   atomic.Bool
	patience time.Duration // handOverPatience, but in tests
}

func newExporter(settings pipeline.Settings, config *Config, source telemetry.Source, lookup func(string) (string, bool)) (*exporter, error) {
	options, odd, err := resolve(config, collector.Logs, lookup)
	if err != nil {
		return nil, err
	}
	measured, err := newMetrics(settings.ID, settings.Meter)
	if err != nil {
		return nil, err
	}
	options.UserAgent, options.Observe, options.Authorizer = userAgent(settings.Version), measured.observe, config.authorizer()
	box, err := outbox.New[encoded](settings.ID, settings.Meter, outbox.DefaultMaxBytes,
		reasonRefused, reasonRejected, reasonMisdirected, reasonUnreadable, reasonLinesFull)
	if err != nil {
		return nil, err
	}
	lines := box.Beside(maxLineBytes, reasonLinesFull)
	box.OnChange(settings.Keeping.Changed)
	lines.OnChange(settings.Keeping.Moved) // written with the position, which moves with every line anyway
	e := &exporter{
		logger: settings.Logger, keeping: settings.Keeping, node: settings.Node, outbox: box, lines: lines, odd: odd, ended: make(chan struct{}),
		patience: handOverPatience,
		status:   &status{addresses: [2]string{options.Endpoint.Address}, changes: pipeline.NewStatusChanges(settings.Report)},
	}
	e.sender = &sender{
		outbox: box, client: collector.New(options), origin: resource.New(settings, config.Resource, lookup), scope: newScope(settings.Version),
		clock: settings.Clock, logger: settings.Logger, status: e.status, probe: config.ProbeInterval,
		closing: make(chan struct{}), keeps: &e.keeps, full: []*atomic.Bool{&e.full, &e.linesFull}, silent: &e.silent, limit: batchRecords,
	}
	if settings.ExportsMetrics {
		err = e.addPusher(settings, config, source, measured, lookup)
	}
	return e, err
}

// Start starts the sender. A Collector that is away is no error: it is tried on.
func (e *exporter) Start(context.Context) error { //nolint:contextcheck // the sender outlives the start
	for _, odd := range e.odd {
		e.logger.Warn("an environment variable is left out: " + odd)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	if e.sender.probe > 0 || e.pusher != nil {
		e.status.changes.Set(pipeline.Status{State: pipeline.ComponentStarting, Reason: "the Collector has not answered yet"})
	} else { // nobody asks it before there is something to send
		e.status.changes.Set(pipeline.Status{State: pipeline.ComponentOK})
	}
	go func() {
		defer close(e.ended)
		if e.pusher != nil {
			go e.pusher.run(ctx)
			defer func() { <-e.pusher.ended }()
		}
		e.sender.run(ctx)
	}()
	return nil
}

// Consume takes problems, transitions and raw lines into their outboxes and never waits
// for the Collector. Lines come here from pipelines without rules alone: rules keep them.
//
//nolint:contextcheck // counting needs no context
func (e *exporter) Consume(_ context.Context, batch []pipeline.Record) error {
	e.silent.Store(false)
	told, lines := e.entries(batch)
	dropped, err := e.outbox.Put(told...)
	if err == nil && len(lines) > 0 {
		var lost int
		lost, err = e.lines.Put(lines...)
		e.tellFull(&e.linesFull, lost, slog.LevelWarn, "more raw lines wait for the Collector than there is room for, and some are dropped: the lowest severity and the oldest first; problems are not")
	}
	if err != nil {
		return fmt.Errorf("exporter %s is shut down: %w", Type, err)
	}
	e.tellFull(&e.full, dropped, slog.LevelError, "more waits for the Collector than there is room for, and records are dropped: the lowest severity and the oldest first")
	return nil
}

// tellFull tells that records are dropped, once until the Collector takes some.
func (e *exporter) tellFull(told *atomic.Bool, dropped int, level slog.Level, message string) {
	if dropped > 0 && told.CompareAndSwap(false, true) {
		e.logger.Log(context.Background(), level, message)
	}
}

// entries are the records of a batch that are sent, encoded: those that tell something,
// and raw lines.
func (e *exporter) entries(batch []pipeline.Record) (told, lines []outbox.Entry[encoded]) {
	for i := range batch {
		if record := &batch[i]; record.IsLine() {
			lines = e.entry(lines, logrecord.Line(record, e.node))
		} else if made := logrecord.New(record); made != nil {
			told = e.entry(told, made)
		}
	}
	return told, lines
}

func (e *exporter) entry(to []outbox.Entry[encoded], record *logspb.LogRecord) []outbox.Entry[encoded] {
	content, err := proto.Marshal(record)
	if err != nil { // no text that is not UTF-8 gets that far
		e.outbox.NoteDropped(reasonUnreadable, 1)
		e.logger.Error("a record cannot be encoded, and is lost", "error", err)
		return to
	}
	return append(to, outbox.Entry[encoded]{
		Item: content, Size: len(content), Severity: log.Severity(record.GetSeverityNumber()),
	})
}

// Shutdown sends what has been accepted, as long as ctx lets. The rest is kept where
// that outlives the agent or a successor takes it, and then one more try is enough;
// else it is dropped and counted.
func (e *exporter) Shutdown(ctx context.Context) error {
	if e.left.Load() {
		return nil
	}
	handOver := pipeline.IsHandOver(ctx)
	e.keeps.Store(handOver || e.keeping.KeepsAfter(ctx))
	e.outbox.Close()
	e.down.Do(func() { e.close(handOver) })
	if e.cancel != nil {
		e.await(ctx)
		e.cancel()
		<-e.ended // a request ends with its context
	}
	e.sender.client.Close()
	if e.pusher != nil {
		e.pusher.client.Close()
	}
	if e.keeps.Load() {
		e.left.Store(true)
		if left := e.outbox.Retire(); left > 0 && !handOver {
			e.logger.Info("records that the Collector has not accepted are kept for the next start", "records", left)
		}
		return nil
	}
	if left := e.outbox.Discard(outbox.ReasonShutdown); left > 0 {
		return fmt.Errorf("%d records could not be sent to the Collector before the end", left)
	}
	return nil
}

// handOverPatience is how long a request that is under way is waited for when a
// successor takes over, so that it need not be sent again: it has most likely been
// taken.
const handOverPatience = 250 * time.Millisecond

// await waits for the sender to end by itself.
func (e *exporter) await(ctx context.Context) {
	select {
	case <-e.ended:
		return
	case <-ctx.Done():
	}
	if !pipeline.IsHandOver(ctx) {
		return
	}
	patience := time.NewTimer(e.patience)
	defer patience.Stop()
	select {
	case <-e.ended:
	case <-patience.C:
	}
}
