package kmsg

import (
	"bytes"
	"iter"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// The attributes of a record of the kernel's log.
const (
	// AttributeFacility is the syslog facility: kern, user, daemon …
	AttributeFacility = "log.facility"
	// AttributeSeverity is the syslog severity: emerg … debug.
	AttributeSeverity = "log.severity"
	// AttributeSequence is the kernel's number of the record.
	AttributeSequence = "kmsg.sequence"
	// AttributeTimestamp is the kernel's own stamp in µs, as it stands.
	AttributeTimestamp = "kmsg.timestamp_us"
	// DictionaryPrefix stands before the keys of the record's dictionary:
	// log.dictionary.SUBSYSTEM, log.dictionary.DEVICE.
	DictionaryPrefix = "log.dictionary."
)

// Attributes decodes a record's attributes when asked for them. It is valid as
// long as the record.
type Attributes struct {
	// Record is whose attributes they are.
	Record *Record
}

// Get returns the value of key.
func (a *Attributes) Get(key string) (attribute.Value, bool) {
	r := a.Record
	switch key {
	case AttributeFacility:
		return attribute.StringValue(FacilityName(r.Facility)), r.has(AbsentFacility)
	case AttributeSeverity:
		return attribute.StringValue(SeverityName(r.Severity)), r.has(AbsentSeverity)
	case AttributeSequence:
		return attribute.Int64Value(int64(r.Sequence)), r.has(AbsentSequence) //nolint:gosec // Parse lets no more than 63 bits through
	case AttributeTimestamp:
		return attribute.Int64Value(r.Microseconds), r.has(AbsentMicroseconds)
	}
	if name, ok := strings.CutPrefix(key, DictionaryPrefix); ok {
		value, found := r.Dictionary(name)
		return attribute.StringValue(valid(value)), found
	}
	return attribute.Value{}, false
}

var fixedAttributes = [...]string{AttributeFacility, AttributeSeverity, AttributeSequence, AttributeTimestamp}

// All yields every key and value: the fixed ones, then the dictionary's in its
// own order.
func (a *Attributes) All() iter.Seq2[string, attribute.Value] {
	return func(yield func(string, attribute.Value) bool) {
		for _, key := range fixedAttributes {
			if value, ok := a.Get(key); ok && !yield(key, value) {
				return
			}
		}
		a.Record.dictionaryLines(func(key, escaped []byte) bool {
			value := string(unescape(bytes.Clone(escaped)))
			return yield(DictionaryPrefix+valid(string(key)), attribute.StringValue(valid(value)))
		})
	}
}

// valid makes text that is no UTF-8 fit for attributes.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
