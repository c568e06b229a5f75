package googlecloud

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/api/option"

	"github.com/otelnpd/otelnpd/pipeline"
)

// errShutDown is what the exporter answers to records after its Shutdown.
var errShutDown = errors.New("the exporter is shut down")

// exporter writes all metrics once a period, by one goroutine.
type exporter struct {
	config   *Config
	logger   *slog.Logger
	version  string
	identity *identity
	producer sdkmetric.Producer
	metrics  *metrics
	board    board
	shaper   *shaper
	schedule *schedule

	down    sync.Once
	isDown  atomic.Bool
	final   atomic.Bool   // the end of the agent is worth one more export
	closing chan struct{} // closed when the goroutine is to end by itself
	ended   chan struct{} // closed when it has ended
	cancel  func()        // makes it end at once; nil before Start
	missing []string      // metrics that are left out, and have not been told yet
	options []option.ClientOption
}

func newExporter(settings pipeline.Settings, config *Config, producer sdkmetric.Producer, lookup func(string) (string, bool)) (*exporter, error) {
	measured, err := newMetrics(settings.ID, settings.Meter)
	if err != nil {
		return nil, err
	}
	e := &exporter{
		config: config, logger: settings.Logger, version: settings.Version, producer: producer, metrics: measured,
		identity: identify(settings, config, lookup), board: board{pipeline.NewStatusChanges(settings.Report)},
		schedule: newSchedule(config.Period), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	e.shaper = newShaper(config, e.leftOut)
	return e, nil
}

// Inherit implements [pipeline.Heir]: what is written next goes on from what was
// written last.
func (e *exporter) Inherit(from pipeline.Component) {
	before, ok := from.(*exporter)
	if !ok {
		return
	}
	e.schedule.inherit(before.schedule)
	e.identity.inherit(before.identity)
	e.shaper.whole, e.shaper.real = before.shaper.whole, before.shaper.real
}

// Start implements [pipeline.Component]. Neither the metadata server nor Cloud
// Monitoring is waited for.
func (e *exporter) Start(context.Context) error { //nolint:contextcheck // the goroutine outlives the start
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.schedule.begin(time.Now())
	e.board.Set(pipeline.Status{State: pipeline.ComponentStarting, Reason: "nothing has been written to Cloud Monitoring yet"})
	go func() {
		defer close(e.ended)
		e.run(ctx)
	}()
	return nil
}

// Consume implements [pipeline.Consumer]: records are not for this exporter.
func (e *exporter) Consume(context.Context, []pipeline.Record) error {
	if e.isDown.Load() {
		return errShutDown
	}
	return nil
}

// Shutdown implements [pipeline.Component]: what has changed since the last export is
// written, as far as ctx lets and Cloud Monitoring would take it already. At a
// hand-over the successor does that.
func (e *exporter) Shutdown(ctx context.Context) error {
	e.isDown.Store(true)
	e.down.Do(func() {
		e.final.Store(!pipeline.IsHandOver(ctx))
		close(e.closing)
	})
	if e.cancel == nil {
		return nil
	}
	select {
	case <-e.ended:
	case <-ctx.Done():
	}
	e.cancel()
	<-e.ended // a request ends with its context
	return nil
}

func (e *exporter) run(ctx context.Context) {
	if !e.locate(ctx) {
		return
	}
	client := e.connect(ctx)
	if client == nil {
		return
	}
	defer func() { _ = client.Shutdown(context.WithoutCancel(ctx)) }() // it closes a connection
	for e.pause(ctx, time.Until(e.schedule.next())) {
		e.export(ctx, client)
	}
	if ctx.Err() == nil && e.final.Load() && e.schedule.allows(time.Now()) {
		e.export(ctx, client)
	}
}

// locate asks the metadata server until all is known, and tells whether it is.
func (e *exporter) locate(ctx context.Context) bool {
	server := newMetadataServer()
	begun, gaveUp := time.Now(), false
	for {
		err := e.ask(ctx, server)
		if err == nil {
			return true
		}
		if !gaveUp && e.config.Metadata.PanicOnFailure && time.Since(begun) >= e.config.Metadata.Timeout {
			gaveUp = true
			e.board.degraded(&pipeline.FatalError{Err: err}, fmt.Sprintf("the metadata server has not told for %s: %s", e.config.Metadata.Timeout, err),
				"write in the configuration what it does not tell, or set panicOnMetadataFetchFailure to false")
		}
		if !e.pause(ctx, e.config.Metadata.Interval) {
			return false
		}
	}
}

// ask asks for all that is missing. The error is that of the first which does not come.
func (e *exporter) ask(ctx context.Context, server *metadataServer) error {
	for len(e.identity.missing) > 0 {
		wanted := e.identity.missing[0]
		value, err := server.get(ctx, wanted.path)
		if err == nil {
			err = e.identity.take(wanted, value)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			e.board.unlocated(wanted, err)
			return fmt.Errorf("ask the metadata server for %s: %w", wanted.path, err)
		}
		e.identity.missing = e.identity.missing[1:]
	}
	return nil
}

// connect makes the client, as soon as there are credentials; nil: it is the end.
func (e *exporter) connect(ctx context.Context) sdkmetric.Exporter {
	for {
		client, err := newClient(ctx, e.config, e.identity, e.metrics, e.version, e.options...)
		if err == nil {
			return client
		}
		e.board.unconnected(err)
		if !e.pause(ctx, e.config.Metadata.Interval) {
			return nil
		}
	}
}

// exportPatience bounds one export: points that come later than the next ones would be
// refused.
const exportPatience = 30 * time.Second

// export writes all metrics. What fails is not tried again: the next period has newer
// points.
func (e *exporter) export(ctx context.Context, client sdkmetric.Exporter) {
	ctx, cancel := context.WithTimeout(ctx, min(exportPatience, e.config.Period))
	defer cancel()
	scopes, err := e.producer.Produce(ctx)
	begun := time.Now()
	e.schedule.done(begun)
	if err != nil {
		e.logger.Warn("some metrics could not be read", "error", err)
	}
	metrics := &metricdata.ResourceMetrics{Resource: e.identity.resource(), ScopeMetrics: e.shaper.shape(scopes)}
	e.tellLeftOut()
	var result outcome
	err = client.Export(result.within(ctx), metrics)
	e.metrics.exported(&result, time.Since(begun)) //nolint:contextcheck // counting needs no context
	e.board.exported(&result, err, e.identity.project())
}

func (e *exporter) leftOut(name, reason string) {
	e.metrics.left(reason)
	e.missing = append(e.missing, name)
}

// tellLeftOut warns of metrics that are not written, once.
func (e *exporter) tellLeftOut() {
	if len(e.missing) == 0 {
		return
	}
	slices.Sort(e.missing)
	e.logger.Warn("metrics have no type in Cloud Monitoring and are not written: set custom_metric_prefix or metric_types, or leave them out by exclude",
		"metrics", strings.Join(e.missing, " "))
	e.missing = nil
}

// pause waits, and tells whether to go on after it.
func (e *exporter) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.closing:
	case <-ctx.Done():
	}
	return false
}
