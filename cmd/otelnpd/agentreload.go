package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/operator"
)

// swapPatience is how long a reload waits for a border between two batches. Until
// then it has changed nothing.
const swapPatience = 5 * time.Second

// loadLimit is how long the files of a configuration may take to be read.
const loadLimit = 10 * time.Second

// load reads the configuration again, and does not wait for a disk that hangs.
func (a *agent) load() (*config.Config, []string, error) {
	type result struct {
		config   *config.Config
		warnings []string
		err      error
	}
	done := make(chan result, 1)
	go func() {
		loaded, warnings, err := a.options.load()
		done <- result{loaded, warnings, err}
	}()
	limit := time.NewTimer(loadLimit)
	defer limit.Stop()
	select {
	case r := <-done:
		return r.config, r.warnings, r.err
	case <-limit.C:
		return nil, nil, fmt.Errorf("the configuration could not be read within %s: its disk does not answer; try again when it does", loadLimit)
	case <-a.ending:
		return nil, nil, errEnding
	}
}

var errEnding = errors.New("the agent is shutting down")

func (a *agent) isEnding() bool {
	select {
	case <-a.ending:
		return true
	default:
		return false
	}
}

var errNothingToRead = errors.New("there is no file to read again: the configuration came from standard input or is built in; start with --config FILE")

// reload reads the configuration again and goes on by it. Whatever is wrong with
// it, the one before goes on. who is what or who asked for it.
func (a *agent) reload(ctx context.Context, who string) (operator.Reloaded, error) {
	if err := a.awaitStart(ctx); err != nil {
		return operator.Reloaded{}, err
	}
	reloaded, err := a.tryReload(context.WithoutCancel(ctx))
	switch {
	case errors.Is(err, errEnding):
		return operator.Reloaded{}, err
	case err != nil:
		a.telemetry.Reloads().Failed(a.options.clock.Now().Wall)
		a.logRefusal(who, err)
		return operator.Reloaded{}, operator.RefuseReload(err)
	case !reloaded.Changed:
		a.refused.Store(nil)
		a.telemetry.Reloads().Unchanged()
		a.logger.Info("the configuration is as it was", "asked_by", who)
	default:
		a.refused.Store(nil)
		a.telemetry.Reloads().Succeeded(a.options.clock.Now().Wall, len(reloaded.Warnings))
		difference := config.Difference(reloaded.Summary)
		a.logger.Info("the configuration was reloaded", "asked_by", who, "changed", difference.String())
		for _, warning := range reloaded.Warnings {
			a.logger.Warn(warning)
		}
	}
	reloaded.Note = joinNotes(reloaded.Note, a.sync(ctx))
	return reloaded, nil
}

// logRefusal tells why a configuration was refused. Files that have changed while
// somebody asked for a reload too are refused a second time: that is told once.
func (a *agent) logRefusal(who string, err error) {
	level := slog.LevelError
	text := err.Error()
	if before := a.refused.Swap(&text); who == byChangedFiles && before != nil && *before == text {
		level = slog.LevelDebug
	}
	a.logger.Log(context.Background(), level, "the configuration was not reloaded, and the one before goes on", "asked_by", who, "error", err)
}

func joinNotes(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "; " + other
}

func (a *agent) tryReload(ctx context.Context) (operator.Reloaded, error) {
	if a.options.load == nil {
		return operator.Reloaded{}, errNothingToRead
	}
	next, warnings, err := a.load()
	if err != nil {
		return operator.Reloaded{}, err
	}
	a.reloading <- struct{}{}
	defer func() { <-a.reloading }()
	if a.isEnding() {
		return operator.Reloaded{}, errEnding
	}
	if a.options.reloaded != nil {
		a.options.reloaded(next)
	}
	before := a.config.Load()
	difference := config.Compare(before, next)
	if next.Conditions.Hash == before.Conditions.Hash && difference.Empty() {
		return operator.Reloaded{Warnings: warnings}, nil
	}
	_, bookErr := condition.NewBook(&next.Conditions)
	if err := errors.Join(bookErr, difference.Unchangeable(), a.seedNeeded(before, next)); err != nil {
		return operator.Reloaded{}, err
	}
	note, err := a.swap(ctx, next)
	if err != nil {
		return operator.Reloaded{}, err
	}
	return operator.Reloaded{Changed: true, Summary: operator.Summary(difference), Warnings: warnings, Note: note}, nil
}

// seedNeeded refuses the first exporter that writes the Node's conditions: those
// are read before anything else is judged, and that is at a start. It refuses too to
// take the last one out while what it reads is waited for.
func (a *agent) seedNeeded(before, next *config.Config) error {
	if writesNode(before) && !writesNode(next) && a.store.AwaitsSeed() {
		return errors.New("the exporter kubernetes cannot end to write the Node's conditions before it has read them: " +
			"the API server has not answered yet; try again when it has, or restart the agent")
	}
	if writesNode(next) && !writesNode(before) {
		return errors.New("the exporter kubernetes cannot begin to write the Node's conditions while the agent runs: " +
			"what the Node says must be read first; restart the agent")
	}
	return nil
}

// swap makes the graph of a configuration and lets it go on in the place of the
// one that runs. The note tells what went wrong when the new one ran already.
func (a *agent) swap(ctx context.Context, next *config.Config) (note string, err error) {
	graph, err := a.buildGraph(next, a.running())
	if err != nil {
		return "", err
	}
	swapped := false
	ctx, cancel := context.WithTimeout(ctx, next.Service.ShutdownTimeout)
	defer cancel()
	err = graph.TakeOver(ctx, a.running(), swapPatience, func(succeed, observe func()) {
		swapped = true
		a.store.HoldSinks()
		succeed()
		a.graph.Store(graph)
		a.config.Store(next)
		a.telemetry.Change(func() {
			observe()
			a.store.TellSemConv(next.Service.Telemetry.Naming.SemConv())
			a.judgeBy(ctx, next, graph)
		})
	})
	if !swapped {
		return "", err
	}
	if a.options.level != nil {
		a.options.level.Set(next.Service.Telemetry.Logs.SlogLevel())
	}
	if err != nil {
		a.logger.Warn("the new configuration runs, but not all went well", "error", err)
		return err.Error(), nil
	}
	return "", nil
}

// judgeBy brings the conditions to the new configuration. It is called while no
// batch is in flight.
func (a *agent) judgeBy(ctx context.Context, next *config.Config, graph *pipeline.Graph) {
	a.store.Publish(ctx, sinksBehind(graph))
	if err := a.store.Configure(&next.Conditions); err != nil {
		// Its rules and types were checked when it was read.
		a.logger.Error("an exporter did not hear what the reload changes", "error", fmt.Errorf("configure the conditions: %w", err))
	}
	a.store.ExpectBacklogs(receiversBefore(graph))
	for _, sink := range sinksBehind(graph) {
		// A type that is only dropped makes no transition.
		if told, ok := sink.(interface{ ConditionsChanged() }); ok {
			told.ConditionsChanged()
		}
	}
}
