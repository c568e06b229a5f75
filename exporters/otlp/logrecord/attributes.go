package logrecord

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// maxAttributes is how many attributes a record has at most, the default of
// OpenTelemetry's SDKs. More are left out and counted in the record.
const maxAttributes = 128

// attributes are gathered in the order of the README's table. An empty text is left
// out, and the first of a key stays.
type attributes struct {
	list    []*commonpb.KeyValue
	dropped uint32
}

func (a *attributes) text(key attribute.Key, value string) {
	if value != "" {
		a.add(string(key), textValue(value))
	}
}

func (a *attributes) number(key attribute.Key, value int64) {
	a.add(string(key), &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}})
}

func (a *attributes) flag(key attribute.Key) {
	a.add(string(key), &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}})
}

// all adds what the source says of a line.
func (a *attributes) all(from pipeline.Attributes) {
	if from == nil {
		return
	}
	for key, value := range from.All() {
		a.add(Text(key), Value(value))
	}
}

func (a *attributes) add(key string, value *commonpb.AnyValue) {
	for _, there := range a.list {
		if there.GetKey() == key {
			return
		}
	}
	if len(a.list) == maxAttributes {
		a.dropped++
		return
	}
	a.list = append(a.list, &commonpb.KeyValue{Key: key, Value: value})
}

// Value is an attribute's value as OTLP has it. Types that it has no word for become
// text.
func Value(value attribute.Value) *commonpb.AnyValue {
	switch value.Type() {
	case attribute.BOOL:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: value.AsBool()}}
	case attribute.INT64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value.AsInt64()}}
	case attribute.FLOAT64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: value.AsFloat64()}}
	case attribute.STRING:
		return textValue(value.AsString())
	case attribute.STRINGSLICE:
		return textsValue(value.AsStringSlice())
	default:
		return textValue(value.String())
	}
}

func textsValue(texts []string) *commonpb.AnyValue {
	list := &commonpb.ArrayValue{}
	for _, text := range texts {
		list.Values = append(list.Values, textValue(text))
	}
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
}

func textValue(text string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: Text(text)}}
}

// Text makes a text from a hostile place fit for OTLP and for whoever shows it:
// bytes that are not UTF-8, of which one alone would spoil the whole batch, and
// characters that steer a terminal become escapes as in [terminal.Text]. Newlines and
// tabs stay.
func Text(text string) string {
	out := make([]byte, 0, len(text))
	for {
		end := strings.IndexAny(text, "\n\t")
		if end < 0 {
			return string(terminal.AppendText(out, text))
		}
		out = append(terminal.AppendText(out, text[:end]), text[end])
		text = text[end+1:]
	}
}
