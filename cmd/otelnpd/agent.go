package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/exporters/status"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/operator"
	kmsgsource "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// agent is one running otelnpd: the graph and what outlives graphs.
type agent struct {
	options   agentOptions
	logger    *slog.Logger
	board     *pipeline.StatusBoard
	statuses  *statusWatch
	store     *condition.Store
	telemetry *telemetry.Telemetry
	nodeUID   pipeline.NodeUID
	factories pipeline.Factories
	operator  *operator.Server
	plugins   *command.Launcher
	writer    atomic.Pointer[state.Writer]

	// started is closed once what was kept has been taken on and all has started,
	// ending when the end begins.
	started, ending chan struct{}
	end             sync.Once // closes ending
	// reloading is full while a reload, one at a time, changes what follows.
	reloading chan struct{}
	graph     atomic.Pointer[pipeline.Graph]
	config    atomic.Pointer[config.Config]
	// fatal has the first error that ends the agent.
	fatal chan error
	// refused is why the newest reload was refused; nil: it was not.
	refused atomic.Pointer[string]
}

// agentOptions say what to run.
type agentOptions struct {
	config *config.Config
	logger *slog.Logger
	clock  pipeline.Clock
	boot   pipeline.Boot
	node   string
	// console is where the console exporter writes.
	console consoleTarget
	// cluster is a simulated API; nil: the configuration says how it is reached.
	cluster kubernetes.API
	// extraReceivers are receivers that no configuration file can name.
	extraReceivers []pipeline.ReceiverFactory
	// interactive: a person at a terminal started it and sees what it says.
	interactive bool
	// socket is the operator socket's path; empty: none.
	socket string
	// stateDir is where state is kept; empty, or none: in memory. stateDirChosen
	// tells that somebody has named it.
	stateDir       string
	stateDirChosen bool
	// disk is a simulated one; nil: the machine's.
	disk state.Disk
	// warnings is how much of the configuration is odd.
	warnings int
	// load reads the configuration again, for a reload; nil: there is nothing to
	// read. level is that of the agent's own log.
	load  loader
	level *slog.LevelVar
	// reloaded is told of each configuration that was read for a reload and is in
	// order; nil: nobody is.
	reloaded func(*config.Config)
}

// loader reads a configuration, and what is odd about it.
type loader func() (loaded *config.Config, warnings []string, err error)

// newAgent makes an agent without side effects.
func newAgent(options agentOptions) (*agent, error) {
	a := &agent{
		options: options, logger: options.logger, board: pipeline.NewStatusBoard(options.clock),
		started: make(chan struct{}), ending: make(chan struct{}), reloading: make(chan struct{}, 1), fatal: make(chan error, 1),
	}
	a.board.Watch(a.giveUp)
	a.config.Store(options.config)
	var err error
	if a.telemetry, err = telemetry.New(telemetry.Config{
		Version: version, Revision: commit, Node: options.node, Board: a.board,
		ConfigWarnings: options.warnings, ConfigRead: options.clock.Now().Wall,
	}); err != nil {
		return nil, fmt.Errorf("make the agent's metrics: %w", err)
	}
	if err := a.makeStore(); err != nil {
		return nil, err
	}
	a.makeFactories()
	graph, err := a.buildGraph(options.config, nil)
	if err != nil {
		return nil, err
	}
	a.graph.Store(graph)
	a.statuses = newStatusWatch(a.board, a.logger, a.sourceDegraded)
	return a, nil
}

// giveUp ends the agent where a component says that it cannot go on without what it
// does not have.
func (a *agent) giveUp(status pipeline.ComponentStatus) {
	if _, fatal := errors.AsType[*pipeline.FatalError](status.Err); !fatal {
		return
	}
	select {
	case a.fatal <- fmt.Errorf("%s %s: %s; %s", status.Kind, status.ID, status.Reason, status.Remedy):
	default: // it ends already
	}
}

func (a *agent) makeStore() error {
	const scope = "github.com/otelnpd/otelnpd/pipeline/condition"
	a.store = condition.NewStore(condition.Options{
		Clock: a.options.clock, Boot: a.options.boot, Node: a.options.node, Logger: a.logger,
		ExpectSeed: writesNode(a.options.config), Keeping: a.keeping(), Sync: a.syncSoon,
	})
	if err := a.store.RegisterMetrics(a.telemetry.NPDMeters().Meter(scope)); err != nil {
		return fmt.Errorf("make the problem metrics: %w", err)
	}
	if err := a.store.RegisterSemConvMetrics(a.telemetry.Meters().Meter(scope)); err != nil {
		return fmt.Errorf("make the problem metrics: %w", err)
	}
	a.store.TellSemConv(a.options.config.Service.Telemetry.Naming.SemConv())
	a.telemetry.BeforeReading(a.store.CutMetrics)
	return a.store.RegisterSilenceMetrics(a.telemetry.Meters().Meter(scope))
}

// writesNode tells whether a configuration has an exporter that writes the Node's
// conditions, and so reads them first.
func writesNode(config *config.Config) bool {
	cluster := kubernetesConfig(config.Graph)
	return cluster != nil && cluster.NodeConditions
}

// makeFactories makes the list of what is built in, with what outlives graphs.
func (a *agent) makeFactories() {
	a.plugins = command.NewLauncher(command.Options{Logger: a.logger})
	a.factories = factories(shared{
		console: a.options.console, cluster: a.options.cluster, store: a.store, metrics: a.telemetry, pushed: a.telemetry,
		kmsg:    kmsgsource.NewShared(kmsgsource.Options{Logger: a.logger, Clock: a.options.clock}),
		plugins: a.plugins,
		status: status.Sources{
			Conditions: a.store.Conditions, Components: a.board.All, Stalled: a.stalled, Silences: a.silences, Version: version,
		},
	})
	for _, factory := range a.options.extraReceivers {
		a.factories.Receivers[factory.Type] = factory
	}
}

// running is the graph that lines flow through now.
func (a *agent) running() *pipeline.Graph { return a.graph.Load() }

// buildGraph makes a graph without side effects, to take the place of another.
func (a *agent) buildGraph(config *config.Config, previous *pipeline.Graph) (*pipeline.Graph, error) {
	return pipeline.BuildGraph(a.factories, config.Graph, pipeline.GraphSettings{
		Settings: pipeline.Settings{
			Logger: a.logger, Host: config.Service.Host, Node: a.options.node, NodeUID: &a.nodeUID,
			Boot: a.options.boot, Clock: a.options.clock, Version: version, Keeping: a.keeping(),
			Naming: config.Service.Telemetry.Naming,
		},
		Meters: a.telemetry.Meters(), NPDMeters: a.telemetry.NPDMeters(), BeforeReading: a.telemetry.BeforeReading, Board: a.board, Previous: previous,
	})
}

// judged is the type of the processors behind which the condition store stands.
const judged = "conditions"

// receiversBefore are the receivers of a graph that feed the conditions.
func receiversBefore(graph *pipeline.Graph) []string {
	var receivers []string
	for _, id := range graph.ReceiversBefore(judged) {
		receivers = append(receivers, id.String())
	}
	return receivers
}

// sinksBehind are the exporters of a graph that are told of conditions.
func sinksBehind(graph *pipeline.Graph) []pipeline.Consumer {
	var sinks []pipeline.Consumer
	for _, exporter := range graph.ExportersBehind(judged) {
		sinks = append(sinks, exporter)
	}
	return sinks
}

// start starts everything: what was kept is read, then come the exporters, then
// how the conditions stand is told, then lines begin to flow.
func (a *agent) start(ctx context.Context) error {
	if err := a.startOperator(); err != nil {
		return err
	}
	document, err := a.openState()
	if err != nil {
		return err
	}
	a.resume(document)
	if err := a.store.Configure(&a.options.config.Conditions); err != nil {
		return fmt.Errorf("configure the conditions: %w", err)
	}
	graph := a.running()
	a.store.ExpectBacklogs(receiversBefore(graph))
	if err := graph.StartSinks(ctx); err != nil {
		return err
	}
	a.store.Publish(ctx, sinksBehind(graph))
	if err := a.store.Start(ctx); err != nil {
		return fmt.Errorf("start the conditions: %w", err)
	}
	if err := graph.StartReceivers(ctx); err != nil {
		return err
	}
	if err := a.checkRights(); err != nil {
		return err
	}
	a.statuses.start()
	if err := a.writer.Load().Start(ctx); err != nil {
		return err
	}
	close(a.started)
	return nil
}

// awaitStart waits until the start is over. The operator socket is open before: what
// came between would be lost, or would lose what was kept.
func (a *agent) awaitStart(ctx context.Context) error {
	select {
	case <-a.started:
		return nil
	default:
	}
	select {
	case <-a.started:
		return nil
	case <-a.ending:
		return errors.New("the agent ends, and had not started")
	case <-ctx.Done():
		return fmt.Errorf("the agent has not started yet: %w; try again in a moment", ctx.Err())
	}
}

// checkRights ends a start that a person is watching if no receiver has the
// rights it needs. Nobody at a terminal wants to wait for a retry that cannot
// succeed; under a service manager the rights may still come.
func (a *agent) checkRights() error {
	if !a.options.interactive {
		return nil
	}
	var errs []error
	for _, status := range a.board.All() {
		if status.Kind != pipeline.KindReceiver || !readsLines(status.ID) {
			continue
		}
		if status.State != pipeline.ComponentDegraded || !errors.Is(status.Err, fs.ErrPermission) {
			return nil
		}
		errs = append(errs, fmt.Errorf("receiver %s: %s; %s", status.ID, status.Reason, status.Remedy))
	}
	return errors.Join(errs...)
}

// shutdown stops everything, from the sources on, within the configured time.
// It may be called after a start that failed.
func (a *agent) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.config.Load().Service.ShutdownTimeout)
	defer cancel()
	a.end.Do(func() { close(a.ending) })
	var errs []error
	if a.operator != nil {
		// Who waits for an answer leaves time for what is to be told.
		third, stop := context.WithTimeout(ctx, a.config.Load().Service.ShutdownTimeout/3)
		errs = append(errs, a.operator.Shutdown(third))
		stop()
	}
	a.awaitReload(ctx)
	errs = append(errs, a.store.Shutdown(ctx), a.running().Shutdown(ctx), a.closeState())
	a.plugins.Abandon()
	a.statuses.stop()
	errs = append(errs, a.telemetry.Shutdown(ctx))
	return errors.Join(errs...)
}

// awaitReload waits until no reload is under way, as long as ctx lets. None begins
// any more.
func (a *agent) awaitReload(ctx context.Context) {
	select {
	case a.reloading <- struct{}{}:
		<-a.reloading
	case <-ctx.Done():
	}
}

// nodeName is the node's name: the configured one, else NODE_NAME, else the
// host's name.
func nodeName(configured string) (string, error) {
	if configured != "" {
		return configured, nil
	}
	if name := os.Getenv("NODE_NAME"); name != "" {
		return name, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find the node's name: %w; set NODE_NAME or service.node", err)
	}
	return name, nil
}
