package otlp

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/log"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// kept is what the Collector has not accepted, as it is kept.
type kept struct {
	Records []keptRecord `json:"records"`
}

type keptRecord struct {
	// Record is an opentelemetry.proto.logs.v1.LogRecord, a form that is stable.
	Record   []byte       `json:"record"`
	Severity log.Severity `json:"severity,omitempty"`
}

// Keep implements [pipeline.Keeper]: what the Collector has not accepted. Raw lines are
// those without a name of an event.
func (e *exporter) Keep() pipeline.Encode {
	entries := slices.Concat(e.outbox.Snapshot(), e.lines.Snapshot())
	if len(entries) == 0 {
		return nil
	}
	return func() ([]byte, error) {
		k := kept{Records: make([]keptRecord, 0, len(entries))}
		for _, entry := range entries {
			k.Records = append(k.Records, keptRecord{Record: entry.Item, Severity: entry.Severity})
		}
		return json.Marshal(k)
	}
}

// Resume implements [pipeline.Keeper]. Records that cannot be read are dropped and
// counted: they would spoil the requests that they are in.
func (e *exporter) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read the records that the Collector had not accepted: %w", err)
	}
	var told, lines []outbox.Entry[encoded]
	unreadable := 0
	for _, one := range k.Records {
		record, entry := &logspb.LogRecord{}, outbox.Entry[encoded]{Item: one.Record, Severity: one.Severity, Size: len(one.Record)}
		switch err := proto.Unmarshal(one.Record, record); {
		case len(one.Record) == 0 || err != nil:
			unreadable++
		case record.GetEventName() == "":
			lines = append(lines, entry)
		default:
			told = append(told, entry)
		}
	}
	if unreadable > 0 {
		e.outbox.NoteDropped(reasonUnreadable, unreadable)
		e.logger.Error("records that the Collector had not accepted cannot be read, and are lost", "records", unreadable)
	}
	e.silent.CompareAndSwap(true, len(told) == 0 && len(lines) == 0)
	e.outbox.Refill(told)
	e.lines.Refill(lines)
	return nil
}
