package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// GraphConfig says which components there are and how they are wired.
type GraphConfig struct {
	Receivers  map[ID]Config
	Processors map[ID]Config
	Exporters  map[ID]Config
	Pipelines  []PipelineConfig
}

// PipelineConfig is one pipeline: every receiver's records go through the
// processors in order, then to every exporter. In one of metrics no records flow: its
// receivers observe, and its exporters read what all have observed.
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
	gate       *Gate
	receivers  []*node
	processors []*node
	exporters  []*node
	pipelines  []*wiredPipeline
	// leaving are the exporters of the graph before, that a reload has taken out,
	// while they deliver what they have.
	leaving atomic.Pointer[[]*node]
}

// node is a component in its place. A reload that does not concern a receiver or
// exporter takes its node over as it is.
type node struct {
	kind string
	// pipeline is a processor's; the others have none.
	pipeline  ID
	id        ID
	config    Config
	component Component
	started   bool
	retired   retirement
	// metrics tells of an exporter that the metrics pipeline names it, and of a receiver
	// that no other does.
	metrics bool
	// entry is a receiver's way into the pipelines, next where it leads in the
	// graph that is being made. A receiver of metrics alone has no entry.
	entry *receiverEntry
	next  Consumer
}

// retirement ends what a component reports: another one has its place, or nobody.
type retirement struct {
	mu   sync.Mutex
	done bool
}

// retire returns once no report is under way, and none comes any more.
func (r *retirement) retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
}

// unless calls report unless the component is retired.
func (r *retirement) unless(report func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.done {
		report()
	}
}

// isNodeName tells whether a name can be that of a component.
func isNodeName(name string) bool {
	kind, _, found := strings.Cut(name, " ")
	return found && slices.Contains(kinds, kind)
}

// name is what the component's state is kept under.
func (n *node) name() string {
	if n.kind == KindProcessor {
		return n.kind + " " + n.pipeline.String() + " " + n.id.String()
	}
	return n.kind + " " + n.id.String()
}

type wiredPipeline struct {
	config    PipelineConfig
	entry     *entry
	exporters []Exporter
}

// ways are those on which records come into the pipeline: none into one of metrics.
func (p *wiredPipeline) ways() []Consumer {
	if p.config.ID.Type == PipelineMetrics {
		return nil
	}
	return []Consumer{p.entry}
}

// exporting are the exporters that the metrics pipeline names.
func (c *GraphConfig) exporting() map[ID]bool {
	named := map[ID]bool{}
	for _, one := range c.Pipelines {
		for _, id := range one.Exporters {
			named[id] = named[id] || one.ID.Type == PipelineMetrics
		}
	}
	return named
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
	if err := g.start(ctx, g.exporters); err != nil {
		return err
	}
	return g.start(ctx, g.processors)
}

// StartReceivers starts the receivers: lines begin to flow.
func (g *Graph) StartReceivers(ctx context.Context) error {
	return g.start(ctx, g.receivers)
}

func (g *Graph) start(ctx context.Context, stage []*node) error {
	for _, n := range stage {
		if err := g.startNode(ctx, n); err != nil {
			return errors.Join(err, g.Shutdown(ctx))
		}
	}
	return nil
}

// startNode starts a component that has not been started.
func (g *Graph) startNode(ctx context.Context, n *node) error {
	if n.started {
		return nil
	}
	g.board.Set(n.kind, n.id, Status{State: ComponentStarting})
	n.started = true
	if err := n.component.Start(ctx); err != nil {
		return fmt.Errorf("start %s %s: %w", n.kind, n.id, err)
	}
	if n.kind == KindProcessor { // it waits for nothing outside
		g.board.SetStarted(n.kind, n.id)
	}
	return nil
}

// Shutdown stops receivers, then processors from the first, then the exporters, all of
// them at once: one whose server hangs takes no time of the others. It waits for each.
// Every component is asked even if one fails.
func (g *Graph) Shutdown(ctx context.Context) error {
	var errs []error
	for _, n := range slices.Concat(g.receivers, backward(g.processors)) {
		errs = append(errs, n.shutdown(ctx))
	}
	return errors.Join(append(errs, atOnce(g.exporters, func(n *node) error { return n.shutdown(ctx) })...)...)
}

// atOnce ends exporters, which know nothing of each other, and waits for all. The errors
// are in their order.
func atOnce(exporters []*node, end func(*node) error) []error {
	errs := make([]error, len(exporters))
	var ending sync.WaitGroup
	for i, n := range exporters {
		ending.Go(func() { errs[i] = end(n) })
	}
	ending.Wait()
	return errs
}

func (n *node) shutdown(ctx context.Context) error {
	if !n.started {
		return nil
	}
	if err := n.component.Shutdown(ctx); err != nil {
		return fmt.Errorf("shut down %s %s: %w", n.kind, n.id, err)
	}
	return nil
}

// backward turns processors round: they were made from the exporters up.
func backward(stage []*node) []*node {
	turned := slices.Clone(stage)
	slices.Reverse(turned)
	return turned
}

// ExportersBehind returns the exporters, each once, of all pipelines that
// contain a processor of that type.
func (g *Graph) ExportersBehind(processorType string) []Exporter {
	return eachOnce(g, processorType, func(p *wiredPipeline) []Exporter { return p.exporters })
}

// ReceiversBefore returns the ids, each once, of the receivers of all pipelines
// that contain a processor of that type.
func (g *Graph) ReceiversBefore(processorType string) []ID {
	return eachOnce(g, processorType, func(p *wiredPipeline) []ID { return p.config.Receivers })
}

// eachOnce returns what the pipelines that contain a processor of that type have.
func eachOnce[T comparable](g *Graph, processorType string, of func(*wiredPipeline) []T) []T {
	var found []T
	for _, p := range g.pipelines {
		if !slices.ContainsFunc(p.config.Processors, func(id ID) bool { return id.Type == processorType }) {
			continue
		}
		for _, one := range of(p) {
			if !slices.Contains(found, one) {
				found = append(found, one)
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
