package pipeline

import (
	"iter"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// Event names of the records that otelnpd itself makes. A record without an
// event name is a line as a source gave it.
const (
	// EventProblem names a record that carries a [Problem].
	EventProblem = "otelnpd.problem"
	// EventTransition names a record that carries a [Transition].
	EventTransition = "otelnpd.condition.transition"
	// EventBacklogEnd marks, in the order of its receiver's records, that all
	// which the receiver found at start has been passed on. It goes through
	// every processor and ends at the conditions.
	EventBacklogEnd = "otelnpd.backlog.end"
	// EventContext names a line that had been judged before, and comes once more so
	// that those who look at several lines together see what is before the next one:
	// read again after a restart or reload, or dropped as a line by dedupe. Its place,
	// time, body and attributes are the line's. It triggers nothing and is not
	// counted; it ends at the rules, and whoever else gets it leaves it alone.
	EventContext = "otelnpd.context"
)

// AttributeBacklogComplete is set (true) on a record named [EventBacklogEnd] whose
// receiver, together with those before it that it went on from, has passed on all
// that its source got in this boot: nothing was overwritten or rotated away before it
// was read, lost, or left out.
const AttributeBacklogComplete = "otelnpd.backlog.complete"

// Record is one thing that flows through a pipeline. It is shaped like the log
// data model of OpenTelemetry.
//
// Records are read-only for everyone but their maker. A batch, and all bytes
// that it points to, are valid only during the Consume call that brings it:
// who keeps a record calls [Record.Clone].
type Record struct {
	// Time is when it happened, by the wall clock.
	Time time.Time
	// ObservedTime is when otelnpd read it.
	ObservedTime time.Time
	// Boot is when it happened, by the boot clock of the boot it belongs to.
	// Receivers whose source does not know it give the boot clock at reading.
	Boot BootTime
	// Severity is the source's own.
	Severity log.Severity
	// EventName is empty for a line, else one of the Event constants.
	EventName string
	// Receiver is the id of the receiver that read it.
	Receiver string
	// Body is the text of a line: no trailing newline, any bytes.
	Body []byte
	// Attributes are decoded when asked for; nil means none.
	Attributes Attributes
	// Place is where the source had it.
	Place Place
	// Problem is set where EventName is EventProblem.
	Problem *Problem
	// Transition is set where EventName is EventTransition.
	Transition *Transition
}

// Attributes are the named values of a record.
type Attributes interface {
	// Get returns the value of key.
	Get(key string) (attribute.Value, bool)
	// All yields every key and value, in a fixed order.
	All() iter.Seq2[string, attribute.Value]
}

// Attribute returns the value of key, if the record has one.
func (r *Record) Attribute(key string) (attribute.Value, bool) {
	if r.Attributes == nil {
		return attribute.Value{}, false
	}
	return r.Attributes.Get(key)
}

// IsLine tells whether the record is a line as a source gave it.
func (r *Record) IsLine() bool { return r.EventName == "" }

// Order returns the record's place in the order of things.
func (r *Record) Order() Order { return Order{Boot: r.Boot, Place: r.Place} }

// Clone returns a copy that shares no memory with the batch.
func (r *Record) Clone() Record {
	c := *r
	c.Body = slices.Clone(r.Body)
	if r.Attributes != nil {
		c.Attributes = CloneAttributes(r.Attributes)
	}
	if r.Problem != nil {
		p := *r.Problem
		c.Problem = &p
	}
	if r.Transition != nil {
		t := *r.Transition
		c.Transition = &t
	}
	return c
}

// AttributeList is a plain list of attributes that owns its memory.
type AttributeList []attribute.KeyValue

// CloneAttributes decodes all attributes into a list of their own.
func CloneAttributes(from Attributes) AttributeList {
	var list AttributeList
	for key, value := range from.All() {
		list = append(list, attribute.KeyValue{Key: attribute.Key(key), Value: value})
	}
	return list
}

// Get returns the value of key.
func (l AttributeList) Get(key string) (attribute.Value, bool) {
	for i := range l {
		if string(l[i].Key) == key {
			return l[i].Value, true
		}
	}
	return attribute.Value{}, false
}

// All yields every key and value in the list's order.
func (l AttributeList) All() iter.Seq2[string, attribute.Value] {
	return func(yield func(string, attribute.Value) bool) {
		for i := range l {
			if !yield(string(l[i].Key), l[i].Value) {
				return
			}
		}
	}
}
