package filelog

import (
	"iter"
	"path"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/file"
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
	switch key {
	case AttributePath:
		return attribute.StringValue(a.path), true
	case AttributeName:
		return attribute.StringValue(a.base()), true
	case format.AttributeStream:
		stream := a.entry.Stream.String()
		return attribute.StringValue(stream), stream != ""
	}
	for _, one := range a.entry.Decode() {
		if one.Key == key {
			return value(&one), true
		}
	}
	return attribute.Value{}, false
}

func value(of *format.Attribute) attribute.Value {
	if of.IsNumber {
		return attribute.Int64Value(of.Number)
	}
	return attribute.StringValue(string(of.Text))
}

// All yields what file the line is of, then what it says itself.
func (a *attributes) All() iter.Seq2[string, attribute.Value] {
	return func(yield func(string, attribute.Value) bool) {
		if !yield(AttributePath, attribute.StringValue(a.path)) || !yield(AttributeName, attribute.StringValue(a.base())) {
			return
		}
		if stream := a.entry.Stream.String(); stream != "" && !yield(format.AttributeStream, attribute.StringValue(stream)) {
			return
		}
		for _, one := range a.entry.Decode() {
			if !yield(one.Key, value(&one)) {
				return
			}
		}
	}
}

// base is the last part of the path, as text.
func (a *attributes) base() string { return file.Name(path.Base(file.PathOf(a.path))) }
