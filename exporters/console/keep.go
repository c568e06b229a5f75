package console

import (
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// kept is what the output has not taken, as it is kept.
type kept struct {
	Format  Output       `json:"format"`
	Records []keptRecord `json:"records"`
}

type keptRecord struct {
	Text     string       `json:"text"`
	Severity log.Severity `json:"severity,omitempty"`
}

// Keep implements [pipeline.Keeper]: what the output has not taken.
func (e *exporter) Keep() pipeline.Encode {
	entries := e.outbox.Snapshot()
	if len(entries) == 0 {
		return nil
	}
	return func() ([]byte, error) {
		k := kept{Format: e.format.name, Records: make([]keptRecord, 0, len(entries))}
		for _, entry := range entries {
			k.Records = append(k.Records, keptRecord{Text: string(entry.Item.line), Severity: entry.Severity})
		}
		return json.Marshal(k)
	}
}

// Inherit implements [pipeline.Heir]: how much of a line the output has already.
func (e *exporter) Inherit(from pipeline.Component) {
	predecessor, ok := from.(*exporter)
	if !ok {
		return
	}
	if left := predecessor.outbox.Snapshot(); len(left) > 0 {
		e.torn = left[0].Item.written
	}
}

// Resume implements [pipeline.Keeper]. Records are kept as they are written: under
// another format they are dropped, and counted.
func (e *exporter) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read the records that the output had not taken: %w", err)
	}
	entries := entriesOf(k.Records)
	if e.torn > 0 && len(entries) > 0 {
		first := &entries[0].Item
		first.written = min(e.torn, len(first.line))
	}
	if k.Format != e.format.name {
		entries = e.dropStrange(entries, k.Format)
	}
	e.outbox.Refill(entries)
	return nil
}

func entriesOf(records []keptRecord) []outbox.Entry[text] {
	entries := make([]outbox.Entry[text], 0, len(records))
	for _, record := range records {
		if record.Text != "" {
			entries = append(entries, outbox.Entry[text]{Item: text{line: []byte(record.Text)}, Severity: record.Severity, Size: len(record.Text)})
		}
	}
	return entries
}

// dropStrange drops the records of another format, but the end of a line whose
// beginning the output has.
func (e *exporter) dropStrange(entries []outbox.Entry[text], of Output) []outbox.Entry[text] {
	whole := len(entries)
	if whole > 0 && entries[0].Item.written > 0 {
		whole--
	}
	if whole > 0 {
		e.outbox.NoteDropped(reasonFormat, whole)
		e.logger.Warn("records that the output had not taken are dropped: they were made for another format",
			"records", whole, "format", string(of), "format_now", string(e.format.name))
	}
	return entries[:len(entries)-whole]
}
