package hoststats

import (
	"errors"
	"fmt"
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// group is a group of metrics, by its key in the configuration.
type group string

const (
	groupCPU        group = "cpu"
	groupMemory     group = "memory"
	groupPaging     group = "paging"
	groupDisk       group = "disk"
	groupFilesystem group = "filesystem"
	groupNetwork    group = "network"
	groupProcesses  group = "processes"
	groupUptime     group = "uptime"
	groupOSFeatures group = "os_features"
)

// enabled tells whether a group is on.
func (c *Config) enabled(g group) bool {
	return map[group]bool{
		groupCPU: c.CPU.Enabled, groupMemory: c.Memory.Enabled, groupPaging: c.Paging.Enabled, groupDisk: c.Disk.Enabled,
		groupFilesystem: c.Filesystem.Enabled, groupNetwork: c.Network.Enabled, groupProcesses: c.Processes.Enabled,
		groupUptime: c.Uptime.Enabled, groupOSFeatures: c.OSFeatures.Enabled,
	}[g]
}

// kind is what an instrument is.
type kind uint8

const (
	counter kind = iota
	upDownCounter
	gauge
)

// definition is a metric: what it is called, what is read for it, and how it is told of
// a reading.
type definition struct {
	name, unit, description string
	kind                    kind
	// real tells that its values are no whole numbers.
	real  bool
	group group
	// parts are what is read for it.
	parts hoststat.Parts
	// observe tells the figures that the reading has.
	observe func(*observer, *reading)
}

// attributes are the labels of one series. They are made once, for making them costs more
// than all else.
type attributes []metric.ObserveOption

func with(list ...attribute.KeyValue) attributes {
	return attributes{metric.WithAttributeSet(attribute.NewSet(list...))}
}

// observer takes the figures of one instrument.
type observer struct {
	to metric.Observer
	// One of the two is set.
	whole metric.Int64Observable
	real  metric.Float64Observable
}

// count tells a whole number.
func (o *observer) count(n uint64, labels attributes) {
	o.to.ObserveInt64(o.whole, int64(min(n, math.MaxInt64)), labels...)
}

// amount tells a whole number that not every kernel has.
func (o *observer) amount(a hoststat.Amount, labels attributes) {
	if a.Known {
		o.count(a.N, labels)
	}
}

// figure tells a number.
func (o *observer) figure(x float64, labels attributes) {
	o.to.ObserveFloat64(o.real, x, labels...)
}

// instrument is a metric that has been made.
type instrument struct {
	observer
	observe func(*observer, *reading)
}

// instruments makes the metrics of one family, and what tells them of a reading.
func instruments(meter metric.Meter, definitions []definition) (made []instrument, all []metric.Observable, err error) {
	var errs []error
	for i := range definitions {
		d := &definitions[i]
		one := instrument{observe: d.observe}
		var observable metric.Observable
		if d.real {
			one.real, err = d.makeReal(meter)
			observable = one.real
		} else {
			one.whole, err = d.makeWhole(meter)
			observable = one.whole
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("make the metric %s: %w", d.name, err))
			continue
		}
		made, all = append(made, one), append(all, observable)
	}
	return made, all, errors.Join(errs...)
}

func (d *definition) makeWhole(meter metric.Meter) (metric.Int64Observable, error) {
	unit, description := metric.WithUnit(d.unit), metric.WithDescription(d.description)
	switch d.kind {
	case counter:
		return meter.Int64ObservableCounter(d.name, unit, description)
	case upDownCounter:
		return meter.Int64ObservableUpDownCounter(d.name, unit, description)
	default:
		return meter.Int64ObservableGauge(d.name, unit, description)
	}
}

func (d *definition) makeReal(meter metric.Meter) (metric.Float64Observable, error) {
	unit, description := metric.WithUnit(d.unit), metric.WithDescription(d.description)
	switch d.kind {
	case counter:
		return meter.Float64ObservableCounter(d.name, unit, description)
	case upDownCounter:
		return meter.Float64ObservableUpDownCounter(d.name, unit, description)
	default:
		return meter.Float64ObservableGauge(d.name, unit, description)
	}
}
