package pipeline

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/metric"
)

// GraphSettings are what a graph needs to make its components.
type GraphSettings struct {
	// Settings is the pattern for each component's own: ID, Logger and Report
	// are filled in.
	Settings
	// Meters makes each component's meter by the component's package name, and NPDMeters
	// those of node-problem-detector's names; nil: nobody has those.
	Meters, NPDMeters metric.MeterProvider
	// BeforeReading is for [NodeMeters].
	BeforeReading func(cut func()) (remove func())
	// Board takes every component's status.
	Board *StatusBoard
	// Previous is the graph that this one is to take the place of; nil: none.
	Previous *Graph
}

// BuildGraph makes all components that pipelines name, without side effects. Where
// there is a previous graph, its receivers and exporters whose configurations are
// the same are taken over as they are: [Graph.TakeOver] brings them here.
func BuildGraph(factories Factories, config GraphConfig, settings GraphSettings) (*Graph, error) {
	b := graphBuilder{
		factories: factories, config: config, settings: settings,
		graph: &Graph{board: settings.Board, gate: &Gate{}}, exporters: map[ID]Exporter{}, entries: map[ID][]Consumer{},
	}
	if settings.Previous != nil {
		b.graph.gate = settings.Previous.gate
	}
	b.exporting = config.exporting()
	for _, pipeline := range config.Pipelines {
		if err := b.pipeline(pipeline); err != nil {
			return nil, fmt.Errorf("build pipeline %s: %w", pipeline.ID, err)
		}
	}
	if err := b.receivers(); err != nil {
		return nil, err
	}
	return b.graph, nil
}

type graphBuilder struct {
	factories Factories
	config    GraphConfig
	settings  GraphSettings
	graph     *Graph
	exporters map[ID]Exporter
	entries   map[ID][]Consumer
	// exporting are the exporters that the metrics pipeline names.
	exporting map[ID]bool
}

func (b *graphBuilder) pipeline(config PipelineConfig) error {
	wired := &wiredPipeline{config: config}
	var next []Consumer
	for _, id := range config.Exporters {
		exporter, err := b.exporter(id)
		if err != nil {
			return err
		}
		wired.exporters = append(wired.exporters, exporter)
		next = append(next, exporter)
	}
	consumer := FanOut(next...)
	for _, id := range slices.Backward(config.Processors) {
		processor, err := b.processor(config.ID, id, consumer)
		if err != nil {
			return err
		}
		consumer = processor
	}
	wired.entry = &entry{next: consumer, clock: b.settings.Clock}
	for _, id := range config.Receivers {
		b.entries[id] = append(b.entries[id], wired.ways()...)
	}
	b.graph.pipelines = append(b.graph.pipelines, wired)
	return nil
}

func (b *graphBuilder) exporter(id ID) (Exporter, error) {
	if exporter, ok := b.exporters[id]; ok {
		return exporter, nil
	}
	factory, ok := b.factories.Exporters[id.Type]
	if !ok {
		return nil, fmt.Errorf("there is no exporter of type %s", id.Type)
	}
	config := b.config.Exporters[id]
	if same := b.unchanged(KindExporter, id, config); same != nil && same.metrics == b.exporting[id] {
		if exporter, ok := same.component.(Exporter); ok {
			b.exporters[id] = exporter
			b.graph.exporters = append(b.graph.exporters, same)
			return exporter, nil
		}
	}
	made := &node{kind: KindExporter, id: id, config: config, metrics: b.exporting[id]}
	settings := b.componentSettings(KindExporter, id, &made.retired)
	settings.ExportsMetrics = made.metrics
	exporter, err := factory.Create(settings, config)
	if err != nil {
		return nil, fmt.Errorf("create exporter %s: %w", id, err)
	}
	made.component = exporter
	b.exporters[id] = exporter
	b.graph.exporters = append(b.graph.exporters, made)
	return exporter, nil
}

func (b *graphBuilder) processor(pipeline, id ID, next Consumer) (Processor, error) {
	factory, ok := b.factories.Processors[id.Type]
	if !ok {
		return nil, fmt.Errorf("there is no processor of type %s", id.Type)
	}
	made := &node{kind: KindProcessor, pipeline: pipeline, id: id, config: b.config.Processors[id]}
	settings := b.componentSettings(KindProcessor, id, &made.retired)
	settings.Logger = settings.Logger.With("pipeline", pipeline.String())
	processor, err := factory.Create(settings, made.config, next)
	if err != nil {
		return nil, fmt.Errorf("create processor %s: %w", id, err)
	}
	made.component = processor
	b.graph.processors = append(b.graph.processors, made)
	return processor, nil
}

func (b *graphBuilder) receivers() error {
	ids := slices.SortedFunc(maps.Keys(b.entries), func(x, y ID) int { return strings.Compare(x.String(), y.String()) })
	for _, id := range ids {
		if err := b.receiver(id); err != nil {
			return err
		}
	}
	return nil
}

func (b *graphBuilder) receiver(id ID) error {
	factory, ok := b.factories.Receivers[id.Type]
	if !ok {
		return fmt.Errorf("there is no receiver of type %s", id.Type)
	}
	config, next, metrics := b.config.Receivers[id], FanOut(b.entries[id]...), len(b.entries[id]) == 0
	if same := b.unchanged(KindReceiver, id, config); same != nil && same.metrics == metrics {
		same.next = next
		b.graph.receivers = append(b.graph.receivers, same)
		return nil
	}
	made := &node{kind: KindReceiver, id: id, config: config, next: next, metrics: metrics}
	settings := b.componentSettings(KindReceiver, id, &made.retired)
	settings.NodeMeters = nodeMeters(settings.Naming, b.settings.Meters, b.settings.NPDMeters, scope(KindReceiver, id))
	settings.NodeMeters.BeforeReading = b.settings.BeforeReading
	if !metrics {
		entry, err := newReceiverEntry(b.graph.gate, settings.Meter, id, next)
		if err != nil {
			return fmt.Errorf("create receiver %s: %w", id, err)
		}
		made.entry, next = entry, entry
	}
	receiver, err := factory.Create(settings, config, next)
	if err != nil {
		return fmt.Errorf("create receiver %s: %w", id, err)
	}
	made.component = receiver
	b.graph.receivers = append(b.graph.receivers, made)
	return nil
}

// unchanged finds the component of the previous graph that can go on as it is.
func (b *graphBuilder) unchanged(kind string, id ID, config Config) *node {
	if b.settings.Previous == nil {
		return nil
	}
	for _, n := range slices.Concat(b.settings.Previous.receivers, b.settings.Previous.exporters) {
		if n.kind == kind && n.id == id && reflect.DeepEqual(n.config, config) {
			return n
		}
	}
	return nil
}

// componentSettings makes a component's own settings. What it reports counts until
// it is retired.
func (b *graphBuilder) componentSettings(kind string, id ID, retired *retirement) Settings {
	settings := b.settings.Settings
	settings.ID = id
	settings.Logger = settings.Logger.With(kind, id.String())
	settings.Meter = b.settings.Meters.Meter(scope(kind, id))
	board := b.settings.Board
	settings.Report = func(status Status) {
		retired.unless(func() { board.Set(kind, id, status) })
	}
	return settings
}

// scope is the name of a component's package: the instrumentation scope of its metrics.
func scope(kind string, id ID) string { return "github.com/otelnpd/otelnpd/" + kind + "s/" + id.Type }
