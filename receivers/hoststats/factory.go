package hoststats

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// Type is the receiver's type in the configuration.
const Type = "hoststats"

// NewFactory returns the factory of the receiver.
func NewFactory() pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		Signals:       pipeline.Metrics,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config, _ pipeline.Consumer) (pipeline.Component, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindReceiver, Type)
			if err != nil {
				return nil, err
			}
			return New(settings, own)
		},
	}
}

// New returns a receiver that has not started.
func New(settings pipeline.Settings, config *Config) (*Receiver, error) {
	r := &Receiver{settings: settings, interval: config.Interval, done: make(chan struct{})}
	var err error
	if r.counters, err = newCounters(settings); err != nil {
		return nil, err
	}
	names := families{npd: settings.NodeMeters.NPD != nil, semconv: settings.NodeMeters.SemConv != nil}
	if r.digester, err = newDigester(config, names, r.counters.countCut); err != nil {
		return nil, fmt.Errorf("make the selection of what counts: %w", err)
	}
	if names.npd {
		r.sides = append(r.sides, side{meter: settings.NodeMeters.NPD, definitions: config.npdMetrics()})
	}
	if names.semconv {
		r.sides = append(r.sides, side{meter: settings.NodeMeters.SemConv, definitions: config.semconvMetrics()})
	}
	for i := range r.sides {
		r.parts |= partsOf(r.sides[i].definitions, config)
	}
	r.node = hoststat.New(hoststat.Options{
		Root: settings.Host.Root, Proc: settings.Host.Proc, Sys: settings.Host.Sys,
		Parts: r.parts, Remote: config.Filesystem.Remote, KnownModules: config.OSFeatures.KnownModules,
	}).Read
	return r, nil
}

// partsOf is all that is read for some metrics.
func partsOf(definitions []definition, config *Config) (parts hoststat.Parts) {
	for i := range definitions {
		parts |= definitions[i].parts
	}
	if parts&hoststat.PartDisks != 0 && config.Disk.needsMounts() {
		parts |= hoststat.PartFileSystems
	}
	return parts
}

// counters are the receiver's own metrics.
type counters struct {
	cut    metric.Int64Counter
	unread metric.Int64Counter
	cuts   map[string]metric.AddOption // by kind
}

func newCounters(settings pipeline.Settings) (c counters, err error) {
	if c.cut, err = settings.Meter.Int64Counter("otelnpd.hoststats.cut", metric.WithUnit("{item}"),
		metric.WithDescription("CPUs, disks, file systems and network interfaces that were left out of a reading since there are more than the limit.")); err != nil {
		return c, fmt.Errorf("make the counter of what is cut: %w", err)
	}
	if c.unread, err = settings.Meter.Int64Counter("otelnpd.hoststats.unread", metric.WithUnit("{part}"),
		metric.WithDescription("Parts of a reading of the node that could not be read, so that their figures were missing until the next.")); err != nil {
		return c, fmt.Errorf("make the counter of what is not read: %w", err)
	}
	c.cuts = map[string]metric.AddOption{}
	receiver := attribute.String("receiver", settings.ID.String())
	for _, kind := range kinds() {
		c.cuts[kind] = metric.WithAttributeSet(attribute.NewSet(receiver, attribute.String("kind", kind)))
		c.countCut(kind, 0)
	}
	for _, p := range parts() {
		c.countUnread(context.Background(), settings, p.name, 0)
	}
	return c, nil
}

// countCut counts what is left out since it is too many.
func (c *counters) countCut(kind string, n int) {
	c.cut.Add(context.Background(), int64(n), c.cuts[kind])
}

// countUnread counts a part that could not be read.
func (c *counters) countUnread(ctx context.Context, settings pipeline.Settings, part string, n int64) {
	c.unread.Add(ctx, n, metric.WithAttributes(
		attribute.String("receiver", settings.ID.String()), attribute.String("part", part)))
}
