package googlecloud

import (
	"strings"

	"github.com/otelnpd/otelnpd/npd/guestmetrics"
)

// typing finds the types of metrics.
type typing struct {
	own    map[string]guestmetrics.Type // by the metric's name
	prefix string
}

// newTyping reads the configuration. Google's own types of a machine are for series of
// the resource gce_instance alone: of another they would be refused.
func newTyping(config *Config) *typing {
	google := guestmetrics.Types()
	t := &typing{own: map[string]guestmetrics.Type{}, prefix: config.CustomMetricPrefix}
	values := map[string]guestmetrics.ValueType{}
	for name, kind := range google {
		values[kind.Name] = kind.Values
		if config.Resource.Type == GCEInstance {
			t.own[name] = kind
		}
	}
	for name, kind := range config.MetricTypes {
		t.own[name] = guestmetrics.Type{Name: kind, Values: values[kind]}
	}
	return t
}

// The reasons for which a metric is not written.
const (
	reasonNoType  = "no_type"
	reasonTooLong = "too_long"
)

// of returns the type of a metric; or else the reason why it has none.
func (t *typing) of(name string) (kind guestmetrics.Type, reason string) {
	if kind, ok := t.own[name]; ok {
		return kind, ""
	}
	if t.prefix == "" {
		return guestmetrics.Type{}, reasonNoType
	}
	kind.Name = strings.TrimSuffix(t.prefix, "/") + "/" + name
	if len(kind.Name) > maxMetricType {
		return guestmetrics.Type{}, reasonTooLong
	}
	return kind, ""
}
