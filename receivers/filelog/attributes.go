package filelog

import (
	"iter"
	"path"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// Attributes of every line, by OpenTelemetry's semantic conventions.
const (
	AttributePath = "log.file.path"
	AttributeName = "log.file.name"
)

// attributes are those of a line, made when asked for.
type attributes struct {
	path  string
	entry *format.Entry
}

var _ pipeline.Attributes = (*attributes)(nil)

// Get returns the value of key.
func (a *attributes) Get(key string) (attribute.Value, bool) {
	for name, value := range a.All() {
		if name == key {
			return value, true
		}
	}
	return attribute.Value{}, false
}

// All yields what file the line is of, then what it says itself.
func (a *attributes) All() iter.Seq2[string, attribute.Value] {
	return func(yield func(string, attribute.Value) bool) {
		if !yield(AttributePath, attribute.StringValue(a.path)) || !yield(AttributeName, attribute.StringValue(path.Base(a.path))) {
			return
		}
		if stream := a.entry.Stream.String(); stream != "" && !yield(format.AttributeStream, attribute.StringValue(stream)) {
			return
		}
		for i := range a.entry.Attributes {
			one := &a.entry.Attributes[i]
			value := attribute.StringValue(string(one.Text))
			if one.IsNumber {
				value = attribute.Int64Value(one.Number)
			}
			if !yield(one.Key, value) {
				return
			}
		}
	}
}
