package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/status"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/health"
	"github.com/otelnpd/otelnpd/pipeline/operator"
	kmsgsource "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// agent is one running otelnpd: the graph and what outlives graphs.
type agent struct {
	options   agentOptions
	logger    *slog.Logger
	board     *pipeline.StatusBoard
	statuses  *statusWatch
	store     *condition.Store
	telemetry *telemetry.Telemetry
	graph     *pipeline.Graph
	operator  *operator.Server
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
	// extraReceivers are receivers that no configuration file can name.
	extraReceivers []pipeline.ReceiverFactory
	// interactive: a person at a terminal started it and sees what it says.
	interactive bool
	// socket is the operator socket's path; empty: none.
	socket string
	// warnings is how much of the configuration is odd.
	warnings int
}

// newAgent makes an agent without side effects.
func newAgent(options agentOptions) (*agent, error) {
	a := &agent{options: options, logger: options.logger, board: pipeline.NewStatusBoard(options.clock)}
	var err error
	if a.telemetry, err = telemetry.New(telemetry.Config{Version: version, Revision: commit, Node: options.node, Board: a.board, ConfigWarnings: options.warnings}); err != nil {
		return nil, fmt.Errorf("make the agent's metrics: %w", err)
	}
	if err := a.makeStore(); err != nil {
		return nil, err
	}
	if err := a.makeGraph(); err != nil {
		return nil, err
	}
	a.statuses = newStatusWatch(a.board, a.logger, a.store.SourceDegraded)
	return a, nil
}

func (a *agent) makeStore() error {
	cluster := kubernetesConfig(a.options.config.Graph)
	a.store = condition.NewStore(condition.Options{
		Clock: a.options.clock, Boot: a.options.boot, Node: a.options.node, Logger: a.logger,
		ExpectSeed: cluster != nil && cluster.NodeConditions,
	})
	if err := a.store.Configure(&a.options.config.Conditions); err != nil {
		return fmt.Errorf("configure the conditions: %w", err)
	}
	if err := a.store.RegisterMetrics(a.telemetry.NPDMeters().Meter("github.com/otelnpd/otelnpd/pipeline/condition")); err != nil {
		return fmt.Errorf("make the problem metrics: %w", err)
	}
	return nil
}

func (a *agent) makeGraph() error {
	list := factories(shared{
		console: a.options.console, store: a.store, metrics: a.telemetry.Gatherer(),
		kmsg: kmsgsource.NewShared(kmsgsource.Options{Logger: a.logger, Clock: a.options.clock}),
		status: status.Sources{
			Conditions: a.store.Conditions, Components: a.board.All, Stalled: a.stalled, Version: version,
		},
	})
	for _, factory := range a.options.extraReceivers {
		list.Receivers[factory.Type] = factory
	}
	var err error
	a.graph, err = pipeline.BuildGraph(list, a.options.config.Graph, pipeline.GraphSettings{
		Settings: pipeline.Settings{
			Logger: a.logger, Host: a.options.config.Service.Host, Node: a.options.node,
			Boot: a.options.boot, Clock: a.options.clock, Version: version,
		},
		Meters: a.telemetry.Meters(),
		Board:  a.board,
	})
	return err
}

func (a *agent) stalled(limit time.Duration) []string { return a.graph.Stalled(limit) }

// start starts everything: exporters first, then how the conditions stand is
// told, then lines begin to flow.
func (a *agent) start(ctx context.Context) error {
	const judged = "conditions"
	if err := a.startOperator(); err != nil {
		return err
	}
	var receivers []string
	for _, id := range a.graph.ReceiversBefore(judged) {
		receivers = append(receivers, id.String())
	}
	a.store.ExpectBacklogs(receivers)
	if err := a.graph.StartSinks(ctx); err != nil {
		return err
	}
	var sinks []pipeline.Consumer
	for _, exporter := range a.graph.ExportersBehind(judged) {
		sinks = append(sinks, exporter)
	}
	a.store.Publish(ctx, sinks)
	if err := a.store.Start(ctx); err != nil {
		return fmt.Errorf("start the conditions: %w", err)
	}
	if err := a.graph.StartReceivers(ctx); err != nil {
		return err
	}
	if err := a.checkRights(); err != nil {
		return err
	}
	a.statuses.start()
	return nil
}

// startOperator opens the operator socket. Without it the agent works all the
// same, but nobody can ask or clear. It comes first of all, since it finds out
// whether another agent runs here.
func (a *agent) startOperator() error {
	if a.options.socket == "" {
		return nil
	}
	server, err := operator.Listen(operator.ServerConfig{
		Path: a.options.socket, Health: a.health, Views: a.store.Views, Clear: a.clear, Logger: a.logger,
	})
	if errors.Is(err, operator.ErrRunning) {
		return err
	}
	if err != nil {
		a.logger.Warn("no operator socket: `otelnpd conditions` and `otelnpd healthcheck` cannot reach this agent; "+
			"run as root, or set service.socket to a path that can be written, or to none", "error", err)
		return nil
	}
	a.operator = server
	return nil
}

// stallLimit is how long one batch may be under way before the operator is told
// that the agent makes no progress.
const stallLimit = time.Minute

func (a *agent) health() health.Report {
	return health.Assess(version, a.board.All(), a.graph.Stalled(stallLimit))
}

// clear ends all causes of a condition for the operator.
func (a *agent) clear(ctx context.Context, conditionType, requestID string) (operator.Cleared, error) {
	ended := 0
	for _, view := range a.store.Views() {
		if view.Type == conditionType {
			ended = len(view.Causes)
		}
	}
	err := a.store.Clear(ctx, conditionType, requestID)
	if errors.Is(err, condition.ErrUnknownCondition) {
		return operator.Cleared{}, fmt.Errorf("%w: %w", operator.ErrUnknownCondition, err)
	}
	if err != nil {
		return operator.Cleared{}, err
	}
	cleared := operator.Cleared{Causes: ended}
	for _, now := range a.store.Conditions() {
		if now.Type == conditionType {
			cleared.Condition = now
		}
	}
	return cleared, nil
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
		if status.Kind != pipeline.KindReceiver {
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
	ctx, cancel := context.WithTimeout(context.Background(), a.options.config.Service.ShutdownTimeout)
	defer cancel()
	var errs []error
	if a.operator != nil {
		errs = append(errs, a.operator.Shutdown(ctx))
	}
	errs = append(errs, a.store.Shutdown(ctx), a.graph.Shutdown(ctx))
	a.statuses.stop()
	errs = append(errs, a.telemetry.Shutdown(ctx))
	return errors.Join(errs...)
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
