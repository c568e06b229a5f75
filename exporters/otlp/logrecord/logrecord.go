// Package logrecord makes OTLP log records of problems, of the transitions of
// conditions, and of lines as a source gave them. README.md of the exporter has the table of their attributes, which is
// an interface.
package logrecord

import (
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/otelnpd/otelnpd/pipeline"
)

// SchemaURL is that of the semantic conventions which the names of attributes are of.
const SchemaURL = semconv.SchemaURL

// The attributes that are not of the semantic conventions.
const (
	attributeState            = "otelnpd.state"
	attributeReason           = "otelnpd.reason"
	attributeRule             = "otelnpd.rule.id"
	attributeClass            = "otelnpd.class"
	attributeInstance         = "otelnpd.instance"
	attributeSource           = "otelnpd.source"
	attributeCount            = "otelnpd.count"
	attributeObserve          = "otelnpd.observe"
	attributeReceiver         = "otelnpd.receiver"
	attributeTransition       = "otelnpd.transition.kind"
	attributeConditionMessage = "otelnpd.condition.message"
	attributeCauseReason      = "otelnpd.cause.reason"
	attributeCauseMessage     = "otelnpd.cause.message"
	attributeProvisional      = "otelnpd.transition.provisional"
)

// New makes a log record of a problem or of a transition; nil: the record is neither,
// or it is not to be told. It shares no memory with the record. Two tellings of one
// thing, which have one uid, differ in ObservedTimestamp and in whether they are
// provisional, and in nothing else: whether the status changed with it, and since when
// it stands, may be known better the second time and is left out.
func New(record *pipeline.Record) *logspb.LogRecord {
	switch {
	case record.EventName == pipeline.EventProblem && record.Problem != nil:
		return problem(record, record.Problem)
	case record.EventName == pipeline.EventTransition && record.Transition != nil && isTold(record.Transition):
		return transition(record, record.Transition)
	default:
		return nil
	}
}

// isTold leaves out what was told before, and how conditions stand as long as that is
// not certain: a health that is none would be the worst to tell.
func isTold(t *pipeline.Transition) bool {
	uncertain := t.Provisional && t.Kind == pipeline.TransitionSnapshot
	return !t.Repeated && !uncertain
}

func problem(record *pipeline.Record, p *pipeline.Problem) *logspb.LogRecord {
	var a attributes
	a.text(semconv.LogRecordUIDKey, p.UID.String())
	a.text(attributeState, p.State.String())
	a.text(attributeReason, p.Reason)
	a.text(attributeRule, p.Rule)
	a.text(attributeClass, p.Class)
	a.text(attributeInstance, p.Instance)
	a.text(attributeSource, p.Source)
	a.number(attributeCount, int64(p.Count))
	if p.Observe {
		a.flag(attributeObserve)
	}
	a.text(semconv.K8SNodeConditionTypeKey, p.Condition)
	a.text(attributeReceiver, record.Receiver)
	if original := string(record.Body); original != p.Message {
		a.text(semconv.LogRecordOriginalKey, original)
	}
	a.all(record.Attributes)
	return finish(record, record.Time, p.Severity, p.Message, &a)
}

func transition(record *pipeline.Record, t *pipeline.Transition) *logspb.LogRecord {
	var a attributes
	a.text(semconv.LogRecordUIDKey, t.UID.String())
	a.text(attributeState, t.Condition.State.String())
	a.text(attributeReason, t.Condition.Reason)
	a.text(attributeRule, t.Cause.Rule)
	a.text(attributeInstance, t.Cause.Instance)
	a.text(attributeSource, t.Source)
	a.text(semconv.K8SNodeConditionTypeKey, t.Condition.Type)
	a.text(semconv.K8SNodeConditionStatusKey, strings.ToLower(string(t.Condition.Status)))
	a.text(attributeTransition, t.Kind.String())
	if t.Provisional {
		a.flag(attributeProvisional)
	}
	a.text(attributeConditionMessage, t.Condition.Message)
	a.text(attributeCauseReason, t.Cause.Reason)
	a.text(attributeCauseMessage, t.Cause.Message)
	a.all(record.Attributes)
	at, body := record.Time, t.Condition.Message
	switch t.Kind {
	case pipeline.TransitionSnapshot:
		at = t.Condition.LastTransitionTime // it has been so since then, at whatever start it is told
	case pipeline.TransitionActivation:
		body = t.Cause.Message
	case pipeline.TransitionStatus, pipeline.TransitionMessage:
	}
	return finish(record, at, t.Severity, body, &a)
}

// Line makes a log record of a line as its source gave it, on a node. It shares no
// memory with the record. Of a line without a place nothing is known by which it could
// be told from others, and it has no uid.
func Line(record *pipeline.Record, node string) *logspb.LogRecord {
	var a attributes
	if record.Place.Source != "" {
		a.text(semconv.LogRecordUIDKey, pipeline.LineUID(node, record.Place).String())
	}
	a.text(attributeReceiver, record.Receiver)
	a.all(record.Attributes)
	return finish(record, record.Time, record.Severity, string(record.Body), &a)
}

func finish(record *pipeline.Record, at time.Time, severity log.Severity, body string, a *attributes) *logspb.LogRecord {
	made := &logspb.LogRecord{
		TimeUnixNano: nanoseconds(at), ObservedTimeUnixNano: nanoseconds(record.ObservedTime),
		EventName: record.EventName, Body: textValue(body),
		Attributes: a.list, DroppedAttributesCount: a.dropped,
	}
	if severity >= log.SeverityTrace1 && severity <= log.SeverityFatal4 {
		made.SeverityNumber, made.SeverityText = logspb.SeverityNumber(severity), severity.String()
	}
	return made
}

// nanoseconds is a time as OTLP has it; 0, which means unknown there, for times that
// it cannot tell: before 1970, and from 2262 on.
func nanoseconds(t time.Time) uint64 {
	if t.Unix() < 0 || t.Unix() > math.MaxInt64/int64(time.Second)-1 {
		return 0
	}
	return uint64(t.UnixNano())
}
