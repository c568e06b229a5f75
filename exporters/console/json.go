package console

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// line is a record as JSON. The field names are an interface: README.md
// documents them.
type line struct {
	Time               time.Time      `json:"time"`
	Event              string         `json:"event"`
	UID                pipeline.UID   `json:"uid"`
	Severity           string         `json:"severity"`
	Reason             string         `json:"reason"`
	Message            string         `json:"message"`
	State              string         `json:"state"`
	Rule               string         `json:"rule,omitempty"`
	Class              string         `json:"class,omitempty"`
	Condition          string         `json:"condition,omitempty"`
	Instance           string         `json:"instance,omitempty"`
	Source             string         `json:"source,omitempty"`
	Receiver           string         `json:"receiver,omitempty"`
	Count              int            `json:"count,omitempty"`
	Attributes         map[string]any `json:"attributes,omitempty"`
	*transitionDetails                // of transitions alone
}

type transitionDetails struct {
	Kind               string                   `json:"kind"`
	Status             pipeline.ConditionStatus `json:"status"`
	StatusChanged      bool                     `json:"status_changed"`
	Provisional        bool                     `json:"provisional,omitempty"`
	LastTransitionTime time.Time                `json:"last_transition_time"`
	CauseReason        string                   `json:"cause_reason,omitempty"`
	CauseMessage       string                   `json:"cause_message,omitempty"`
}

// jsonLine makes one JSON object of a record.
func jsonLine(record *pipeline.Record) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	// It cannot fail: newLine leaves only what JSON has words for.
	_ = encoder.Encode(newLine(record))
	return terminal.AppendJSON(nil, text.Bytes())
}

func newLine(record *pipeline.Record) line {
	l := line{
		Time: jsonTime(record.Time), Event: record.EventName,
		Receiver: record.Receiver, Attributes: jsonAttributes(record.Attributes),
	}
	if p := record.Problem; p != nil {
		l.UID, l.Severity, l.State = p.UID, severityName(p.Severity), p.State.String()
		l.Reason, l.Message, l.Rule, l.Class = p.Reason, p.Message, p.Rule, p.Class
		l.Condition, l.Instance, l.Source, l.Count = p.Condition, p.Instance, p.Source, p.Count
		return l
	}
	t := record.Transition
	l.UID, l.Severity, l.State = t.UID, severityName(t.Severity), t.Condition.State.String()
	l.Reason, l.Message, l.Condition = t.Condition.Reason, t.Condition.Message, t.Condition.Type
	l.Rule, l.Instance, l.Source = t.Cause.Rule, t.Cause.Instance, t.Source
	l.transitionDetails = &transitionDetails{
		Kind: t.Kind.String(), Status: t.Condition.Status, StatusChanged: t.StatusChanged, Provisional: t.Provisional,
		LastTransitionTime: jsonTime(t.Condition.LastTransitionTime),
		CauseReason:        t.Cause.Reason, CauseMessage: t.Cause.Message,
	}
	return l
}

func jsonAttributes(attributes pipeline.Attributes) map[string]any {
	if attributes == nil {
		return nil
	}
	values := map[string]any{}
	for key, value := range attributes.All() {
		values[key] = jsonValue(value)
	}
	return values
}

// jsonValue is a value as JSON has it: numbers that JSON does not know become
// text.
func jsonValue(value attribute.Value) any {
	switch value.Type() {
	case attribute.FLOAT64:
		if f := value.AsFloat64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return value.String()
		}
		return value.AsFloat64()
	case attribute.BOOL, attribute.INT64, attribute.STRING, attribute.BOOLSLICE, attribute.INT64SLICE, attribute.STRINGSLICE:
		return value.AsInterface()
	default:
		return value.String()
	}
}

// jsonTime is a time in UTC, and the zero time for years that RFC 3339 cannot
// write.
func jsonTime(t time.Time) time.Time {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return time.Time{}
	}
	return t
}
