package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// GraphConfig says which components there are and how they are wired.
type GraphConfig struct {
	Receivers  map[ID]Config
	Processors map[ID]Config
	Exporters  map[ID]Config
	Pipelines  []PipelineConfig
}

// PipelineConfig is one pipeline: every receiver's records go through the
// processors in order, then to every exporter.
type PipelineConfig struct {
	ID         ID
	Receivers  []ID
	Processors []ID
	Exporters  []ID
}

// Graph is the wired components. Processors are made for each pipeline anew;
// a receiver or exporter named in several pipelines is one component.
type Graph struct {
	board      *StatusBoard
	receivers  []node
	processors []node
	exporters  []node
	pipelines  []*wiredPipeline
}

type node struct {
	kind      string
	id        ID
	component Component
	started   bool
}

type wiredPipeline struct {
	config    PipelineConfig
	entry     *entry
	exporters []Exporter
}

// GraphSettings are what a graph needs to make its components.
type GraphSettings struct {
	// Settings is the pattern for each component's own: ID, Logger and Report
	// are filled in.
	Settings
	// Meters makes each component's meter by the component's package name.
	Meters metric.MeterProvider
	// Board takes every component's status.
	Board *StatusBoard
}

// BuildGraph makes all components that pipelines name, without side effects.
func BuildGraph(factories Factories, config GraphConfig, settings GraphSettings) (*Graph, error) {
	b := graphBuilder{
		factories: factories, config: config, settings: settings,
		graph: &Graph{board: settings.Board}, exporters: map[ID]Exporter{}, entries: map[ID][]Consumer{},
	}
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
		b.entries[id] = append(b.entries[id], wired.entry)
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
	exporter, err := factory.Create(b.componentSettings(KindExporter, id), b.config.Exporters[id])
	if err != nil {
		return nil, fmt.Errorf("create exporter %s: %w", id, err)
	}
	b.exporters[id] = exporter
	b.graph.exporters = append(b.graph.exporters, node{kind: KindExporter, id: id, component: exporter})
	return exporter, nil
}

func (b *graphBuilder) processor(pipeline, id ID, next Consumer) (Processor, error) {
	factory, ok := b.factories.Processors[id.Type]
	if !ok {
		return nil, fmt.Errorf("there is no processor of type %s", id.Type)
	}
	settings := b.componentSettings(KindProcessor, id)
	settings.Logger = settings.Logger.With("pipeline", pipeline.String())
	processor, err := factory.Create(settings, b.config.Processors[id], next)
	if err != nil {
		return nil, fmt.Errorf("create processor %s: %w", id, err)
	}
	b.graph.processors = append(b.graph.processors, node{kind: KindProcessor, id: id, component: processor})
	return processor, nil
}

func (b *graphBuilder) receivers() error {
	ids := slices.SortedFunc(maps.Keys(b.entries), func(x, y ID) int { return strings.Compare(x.String(), y.String()) })
	for _, id := range ids {
		factory, ok := b.factories.Receivers[id.Type]
		if !ok {
			return fmt.Errorf("there is no receiver of type %s", id.Type)
		}
		settings := b.componentSettings(KindReceiver, id)
		counter, err := newAcceptedCounter(settings.Meter, id, FanOut(b.entries[id]...))
		if err != nil {
			return fmt.Errorf("create receiver %s: %w", id, err)
		}
		receiver, err := factory.Create(settings, b.config.Receivers[id], counter)
		if err != nil {
			return fmt.Errorf("create receiver %s: %w", id, err)
		}
		b.graph.receivers = append(b.graph.receivers, node{kind: KindReceiver, id: id, component: receiver})
	}
	return nil
}

func (b *graphBuilder) componentSettings(kind string, id ID) Settings {
	settings := b.settings.Settings
	settings.ID = id
	settings.Logger = settings.Logger.With(kind, id.String())
	settings.Meter = b.settings.Meters.Meter("github.com/otelnpd/otelnpd/" + kind + "s/" + id.Type)
	board := b.settings.Board
	settings.Report = func(status Status) { board.Set(kind, id, status) }
	return settings
}

// Start starts exporters, then processors from the last, then receivers, so
// that nobody sends to a stage that has not started. If one fails, those that
// had started are shut down.
func (g *Graph) Start(ctx context.Context) error {
	if err := g.StartSinks(ctx); err != nil {
		return err
	}
	return g.StartReceivers(ctx)
}

// StartSinks starts exporters and processors alone: what stands before the
// first line (the snapshot of the conditions) can be told between it and
// StartReceivers.
func (g *Graph) StartSinks(ctx context.Context) error {
	return g.start(ctx, g.exporters, g.processors)
}

// StartReceivers starts the receivers: lines begin to flow.
func (g *Graph) StartReceivers(ctx context.Context) error {
	return g.start(ctx, g.receivers)
}

func (g *Graph) start(ctx context.Context, stages ...[]node) error {
	for _, stage := range stages {
		for i := range stage {
			n := &stage[i]
			g.board.Set(n.kind, n.id, Status{State: ComponentStarting})
			n.started = true
			if err := n.component.Start(ctx); err != nil {
				err = fmt.Errorf("start %s %s: %w", n.kind, n.id, err)
				return errors.Join(err, g.Shutdown(ctx))
			}
			if n.kind == KindProcessor { // it waits for nothing outside
				g.board.SetStarted(n.kind, n.id)
			}
		}
	}
	return nil
}

// Shutdown stops receivers, then processors from the first, then exporters, and
// waits for each. Every component is asked even if one fails.
func (g *Graph) Shutdown(ctx context.Context) error {
	var errs []error
	for _, stage := range [][]node{g.receivers, backward(g.processors), g.exporters} {
		for i := range stage {
			n := &stage[i]
			if !n.started {
				continue
			}
			if err := n.component.Shutdown(ctx); err != nil {
				errs = append(errs, fmt.Errorf("shut down %s %s: %w", n.kind, n.id, err))
			}
		}
	}
	return errors.Join(errs...)
}

// backward turns processors round: they were made from the exporters up.
func backward(stage []node) []node {
	turned := slices.Clone(stage)
	slices.Reverse(turned)
	return turned
}

// ExportersBehind returns the exporters, each once, of all pipelines that
// contain a processor of that type.
func (g *Graph) ExportersBehind(processorType string) []Exporter {
	var found []Exporter
	for _, p := range g.pipelines {
		if !slices.ContainsFunc(p.config.Processors, func(id ID) bool { return id.Type == processorType }) {
			continue
		}
		for _, exporter := range p.exporters {
			if !slices.Contains(found, exporter) {
				found = append(found, exporter)
			}
		}
	}
	return found
}

// ReceiversBefore returns the ids, each once, of the receivers of all pipelines
// that contain a processor of that type.
func (g *Graph) ReceiversBefore(processorType string) []ID {
	var found []ID
	for _, p := range g.pipelines {
		if !slices.ContainsFunc(p.config.Processors, func(id ID) bool { return id.Type == processorType }) {
			continue
		}
		for _, id := range p.config.Receivers {
			if !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
	}
	return found
}

// Stalled names the pipelines in which one batch has been under way for longer
// than limit: they make no progress.
func (g *Graph) Stalled(limit time.Duration) []string {
	var stalled []string
	for _, p := range g.pipelines {
		if p.entry.busyFor() > limit {
			stalled = append(stalled, p.config.ID.String())
		}
	}
	return stalled
}
