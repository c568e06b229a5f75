package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/logrecord"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
	"github.com/otelnpd/otelnpd/pipeline/resource"
)

const (
	// batchBytes is how much is sent at a time: an eighth of what a Collector takes by
	// default over gRPC.
	batchBytes = 512 << 10
	// batchRecords is how many records are sent at a time.
	batchRecords = 2048
	// misdirectedPatience is for how long records are tried that the Collector takes
	// from nobody who asks so: rights and pipelines are often mended a while later.
	misdirectedPatience = time.Hour
	// firstProbe is how long after the start the Collector is asked whether it answers,
	// unless there are records to send.
	firstProbe = time.Second
)

// encoded is a LogRecord in protobuf.
type encoded []byte

// sender takes records out of the outbox and sends them. Its run has it alone.
type sender struct {
	outbox   *outbox.Outbox[encoded]
	client   *collector.Client
	origin   *resource.Origin
	resource *resourcepb.Resource // what origin has found
	scope    *commonpb.InstrumentationScope
	clock    pipeline.Clock
	logger   *slog.Logger
	status   *status
	// probe is how often the Collector is asked whether it answers; 0: never.
	probe time.Duration
	// silent tells that there may never be records: nobody is asked about them.
	silent *atomic.Bool
	// closing is closed when the exporter shuts down: a wait for the next try ends.
	closing chan struct{}
	// keeps tells, once closing is closed, that what is left is sent by a later start.
	keeps *atomic.Bool
	// full are set while records are dropped, and that was told.
	full []*atomic.Bool

	backoff backoff
	// limit is how many records are sent at once: half of them after each refusal, so as
	// to find the record that it is about, and twice as many after each acceptance.
	limit int
	// misdirected is since when all answers have been that they take nothing so, on the
	// boot clock; 0: the last was another one.
	misdirected time.Duration
}

// run sends until the outbox is closed and empty, or ctx ends, or nothing more can be
// done. It waits, for some seconds at most, until it is known whose records they are.
func (s *sender) run(ctx context.Context) {
	var err error
	if s.resource, err = s.about(ctx); err != nil {
		return
	}
	idle := firstProbe
	for {
		batch, err := s.next(ctx, idle)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			err = s.ask(ctx)
		case err != nil:
			return
		default:
			err = s.deliver(ctx, batch)
		}
		idle = s.probe
		if err != nil && !s.pause(ctx, s.backoff.next(retryAfter(err))) {
			return
		}
		if err != nil {
			idle = firstProbe
		}
	}
}

// about returns whose records, and metrics, they are. It may be called by several
// goroutines. The error is ctx's.
func (s *sender) about(ctx context.Context) (*resourcepb.Resource, error) {
	found, err := s.origin.Resource(ctx)
	if err != nil {
		return nil, err
	}
	return resourceMessage(found), nil
}

// next takes records. It fails with DeadlineExceeded once there was nothing to take
// for so long.
func (s *sender) next(ctx context.Context, idle time.Duration) (*outbox.Batch[encoded], error) {
	if s.probe > 0 && !s.silent.Load() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, idle)
		defer cancel()
	}
	batch, err := s.outbox.Next(ctx, batchBytes)
	if err != nil {
		return nil, err
	}
	if len(batch.Entries) > s.limit {
		first := batch.Split(s.limit)
		batch.Return()
		batch = first
	}
	return batch, nil
}

// ask sends a request without records, which the specification lets a server answer
// with success.
func (s *sender) ask(ctx context.Context) error {
	_, err := s.client.Export(ctx, &collogspb.ExportLogsServiceRequest{})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	s.heard(err)
	return err
}

// heard takes note of an answer that is not about the records of a request.
func (s *sender) heard(err error) {
	s.status.answered(collector.Logs, err)
	if err == nil {
		s.backoff.reset()
		for _, told := range s.full {
			told.Store(false)
		}
	}
	if kind := kindOf(err); err == nil || kind == collector.Again || kind == collector.Refused {
		s.misdirected = 0
	}
}

// deliver tries once to send a batch, and ends it or puts it back. An error is one
// after which to wait.
//
//nolint:contextcheck // the outbox counts, and counting needs no context
func (s *sender) deliver(ctx context.Context, batch *outbox.Batch[encoded]) error {
	answer, err := s.client.Export(ctx, s.request(batch.Entries))
	if err == nil {
		faultpoint.Reach("otlp.accepted")
		s.heard(nil)
		s.accepted(batch, answer)
		return nil
	}
	if ctx.Err() != nil {
		batch.Return()
		return ctx.Err()
	}
	kind := kindOf(err)
	if several := len(batch.Entries) > 1; several && (kind == collector.Refused || kind == collector.Exhausted) {
		s.limit = len(batch.Entries) / 2
		batch.Return()
		return nil
	}
	s.heard(err)
	switch {
	case kind == collector.Refused:
		s.lose(batch, reasonRefused, err)
		return nil
	case kind != collector.Again && s.isPatienceOver():
		s.lose(batch, reasonMisdirected, err)
	default:
		batch.Return()
	}
	return err
}

// accepted ends a batch that the Collector has taken, but for what it tells.
func (s *sender) accepted(batch *outbox.Batch[encoded], answer collector.Answer) {
	sent := len(batch.Entries)
	rejected := int(max(0, min(answer.Rejected, int64(sent))))
	batch.Split(sent - rejected).Done()
	batch.Drop(reasonRejected)
	s.limit = min(2*s.limit, batchRecords)
	switch {
	case rejected > 0:
		s.logger.Error("the Collector has rejected records, which are lost", "rejected", rejected, "sent", sent, "message", answer.Message)
	case answer.Message != "":
		s.logger.Warn("the Collector has accepted records with a warning", "sent", sent, "message", answer.Message)
	}
}

// lose drops a batch that nobody takes.
func (s *sender) lose(batch *outbox.Batch[encoded], reason string, err error) {
	of := &logspb.LogRecord{}
	_ = proto.Unmarshal(batch.Entries[0].Item, of) // it was made here, or read before
	s.logger.Error("the Collector refuses records, which are lost", "records", len(batch.Entries), "reason", reason,
		"event", of.GetEventName(), "first", of.GetBody().GetStringValue(), "error", err)
	batch.Drop(reason)
	s.misdirected = 0 // the next has an hour of its own
}

// isPatienceOver tells whether nothing has been taken, for a reason that does not pass
// by itself, for too long.
func (s *sender) isPatienceOver() bool {
	now := s.clock.Now().Boot
	if s.misdirected == 0 {
		s.misdirected = now
	}
	return now-s.misdirected >= misdirectedPatience
}

// request makes a request of records.
func (s *sender) request(entries []outbox.Entry[encoded]) *collogspb.ExportLogsServiceRequest {
	records := make([]*logspb.LogRecord, 0, len(entries))
	for _, entry := range entries {
		record := &logspb.LogRecord{}
		if proto.Unmarshal(entry.Item, record) == nil { // it was made here, or read before
			records = append(records, record)
		}
	}
	return &collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		Resource: s.resource, SchemaUrl: logrecord.SchemaURL,
		ScopeLogs: []*logspb.ScopeLogs{{Scope: s.scope, SchemaUrl: logrecord.SchemaURL, LogRecords: records}},
	}}}
}

// pause waits before the next try, and tells whether there is to be one. At the end
// there is one at once, and more where what is left would be lost.
func (s *sender) pause(ctx context.Context, wait time.Duration) bool {
	if s.closing == nil && s.keeps.Load() {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	case <-s.closing:
		s.closing = nil // once: from now on every wait is waited
	}
	return true
}

func kindOf(err error) collector.Kind {
	if failure, ok := errors.AsType[*collector.Error](err); ok {
		return failure.Kind
	}
	return collector.Again
}

func retryAfter(err error) time.Duration {
	if failure, ok := errors.AsType[*collector.Error](err); ok {
		return failure.RetryAfter
	}
	return 0
}

// newScope says what makes the records.
func newScope(version string) *commonpb.InstrumentationScope {
	return &commonpb.InstrumentationScope{Name: "github.com/otelnpd/otelnpd", Version: version}
}

func userAgent(version string) string { return fmt.Sprintf("otelnpd/%s", version) }
