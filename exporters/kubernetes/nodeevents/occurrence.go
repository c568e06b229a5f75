package nodeevents

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

// defaultSource is named where an occurrence names no source.
const defaultSource = "otelnpd"

// occurrence is what a record tells: a problem, or a change of a condition.
type occurrence struct {
	key

	uid      pipeline.UID
	time     time.Time
	message  string
	severity log.Severity
	// count is how often it happened: a threshold gathers.
	count int64
	// condition tells that it is about a condition.
	condition bool
}

// key tells series apart.
type key struct {
	Reason string `json:"reason"`
	// Message is empty for a series whose message changes.
	Message string `json:"message,omitempty"`
	Source  string `json:"source"`
	Type    string `json:"type"`
	// Changing is the UID that all occurrences of a series have whose message
	// changes.
	Changing pipeline.UID `json:"changing,omitzero"`
}

// changing tells whether the series' message changes.
func (k *key) changing() bool { return !k.Changing.IsZero() }

// clone returns a copy that shares no memory with the texts it was cut from.
func (k *key) clone() key {
	return key{
		Reason: strings.Clone(k.Reason), Message: strings.Clone(k.Message), Source: strings.Clone(k.Source),
		Type: k.Type, Changing: k.Changing,
	}
}

// occurrenceOf returns what a record tells, if it is one to make an Event of. Its
// strings may be those of the record.
func occurrenceOf(record *pipeline.Record) (occurrence, bool) {
	var o occurrence
	switch p, t := record.Problem, record.Transition; {
	case record.EventName == pipeline.EventProblem && p != nil && !p.Observe && p.State == pipeline.StateProblem:
		o = problem(p)
	case record.EventName == pipeline.EventTransition && t != nil && t.MakesEvent && !t.Provisional:
		o = transition(t)
	default:
		return o, false
	}
	o.Type = eventType(o.severity)
	o.time = record.Time
	if o.time.IsZero() || !isTellable(o.time) {
		o.time = record.ObservedTime
	}
	if !isTellable(o.time) {
		o.time = time.Time{}
	}
	o.identify(record.Transition)
	return o, true
}

// isTellable tells whether RFC 3339, and with it the API, can write a time.
func isTellable(t time.Time) bool { return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }

// identify sees to it that the occurrence has a UID, and its series that of all
// its occurrences if they have one.
func (o *occurrence) identify(t *pipeline.Transition) {
	if o.uid.IsZero() {
		o.uid = pipeline.CauseUID("occurrence", o.Reason, o.message, o.Source, o.time.UTC().Format(time.RFC3339Nano))
	}
	if t != nil && t.Kind == pipeline.TransitionMessage {
		o.Message, o.Changing = "", o.uid
	}
}

func problem(p *pipeline.Problem) occurrence {
	o := occurrence{uid: p.UID, severity: p.Severity, count: max(int64(p.Count), 1)}
	o.tell(p.Reason, p.Message, p.Source)
	return o
}

func transition(t *pipeline.Transition) occurrence {
	o := occurrence{uid: t.UID, severity: t.Severity, count: 1, condition: true}
	o.tell(transitionReason(t), t.EventMessage, t.Source)
	return o
}

func (o *occurrence) tell(reason, text, source string) {
	if source == "" {
		source = defaultSource
	}
	o.message = message(text)
	o.key = key{Reason: word(reason, maxReasonBytes), Message: o.message, Source: word(source, maxSourceBytes)}
}

// transitionReason is the reason that the Event's message names: the cause's
// where one became active or changed, else the one that the condition now shows,
// be it another cause's or the healthy one.
func transitionReason(t *pipeline.Transition) string {
	ofCause := t.Kind == pipeline.TransitionActivation || t.Kind == pipeline.TransitionMessage
	if ofCause && t.Cause.Reason != "" {
		return t.Cause.Reason
	}
	return t.Condition.Reason
}

func eventType(severity log.Severity) string {
	if severity >= log.SeverityWarn {
		return apiserver.EventWarning
	}
	return apiserver.EventNormal
}
