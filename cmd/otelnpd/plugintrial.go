package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
	"github.com/otelnpd/otelnpd/receivers/plugin"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

const (
	// trialInterval lets each check run once.
	trialInterval = 24 * time.Hour
	// killTime is how long what was interrupted may take to end.
	killTime = 5 * time.Second
)

// pluginTrial lets all plugins of a configuration run once.
type pluginTrial struct {
	store     *condition.Store
	launcher  *command.Launcher
	receivers []pipeline.Component
	types     map[string]bool // conditions that plugins act on

	mu       sync.Mutex
	awaited  map[string]bool // ids of checks that have said nothing yet
	all      chan struct{}   // closed when there is none
	verdicts []pipeline.Record
	faults   map[string]string // by receiver
	said     map[pipeline.State]int
}

func newPluginTrial(cmd *cobra.Command, loaded *config.Config) (*pluginTrial, error) {
	clock := pipeline.SystemClock{}
	boot, err := pipeline.ReadBoot(loaded.Service.Host, clock)
	if err != nil {
		return nil, err
	}
	node, err := nodeName(loaded.Service.Node)
	if err != nil {
		return nil, err
	}
	logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	p := &pluginTrial{
		store:    condition.NewStore(condition.Options{Clock: clock, Boot: boot, Node: node, Logger: logger}),
		launcher: command.NewLauncher(command.Options{Logger: logger}),
		types:    map[string]bool{}, awaited: map[string]bool{}, all: make(chan struct{}), said: map[pipeline.State]int{}, faults: map[string]string{},
	}
	if err := p.store.Configure(&loaded.Conditions); err != nil {
		return nil, fmt.Errorf("configure the conditions: %w", err)
	}
	return p, p.make(loaded, pipeline.Settings{
		Logger: logger, Meter: noop.NewMeterProvider().Meter(""), Host: loaded.Service.Host, Node: node, Boot: boot, Clock: clock, Version: version,
	})
}

// make makes a receiver of each that the configuration has, as it runs checks once.
func (p *pluginTrial) make(loaded *config.Config, settings pipeline.Settings) error {
	for _, id := range slices.SortedFunc(maps.Keys(loaded.Graph.Receivers), func(a, b pipeline.ID) int { return strings.Compare(a.String(), b.String()) }) {
		own, ok := loaded.Graph.Receivers[id].(*plugin.Config)
		if !ok || len(own.Checks) == 0 {
			continue
		}
		once := *own
		once.Spread, once.Interval, once.Checks = false, trialInterval, slices.Clone(own.Checks)
		for i := range once.Checks {
			once.Checks[i].Interval = 0
			p.awaited[once.Checks[i].ID] = true
			p.types[once.Checks[i].Condition] = true
		}
		settings.ID = id
		settings.Report = func(status pipeline.Status) { p.report(id, status) }
		receiver, err := plugin.New(settings, &once, p.launcher, pipeline.ConsumerFunc(p.consume))
		if err != nil {
			return fmt.Errorf("make the receiver %s: %w", id, err)
		}
		p.receivers = append(p.receivers, receiver)
	}
	return nil
}

func (p *pluginTrial) report(id pipeline.ID, status pipeline.Status) {
	if status.State != pipeline.ComponentDegraded {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[id.String()] = status.Reason + ": " + status.Remedy
}

// consume notes what checks say.
func (p *pluginTrial) consume(ctx context.Context, batch []pipeline.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch {
		if _, err := p.store.Apply(ctx, &batch[i]); err != nil {
			return err
		}
		if batch[i].Problem == nil {
			continue
		}
		p.verdicts = append(p.verdicts, batch[i].Clone())
		p.said[batch[i].Problem.State]++
		delete(p.awaited, batch[i].Problem.Rule)
		if len(p.awaited) == 0 {
			select {
			case <-p.all:
			default:
				close(p.all)
			}
		}
	}
	return nil
}

// run lets all checks run, and waits for the last. stop follows.
func (p *pluginTrial) run(ctx context.Context) error {
	for _, receiver := range p.receivers {
		if err := receiver.Start(ctx); err != nil {
			return err
		}
	}
	select {
	case <-p.all:
		return nil
	case <-ctx.Done():
		return errors.New("interrupted: the commands that were running have been ended")
	}
}

// print shows verdicts and conditions.
func (p *pluginTrial) print(out io.Writer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "CHECK\tINSTANCE\tVERDICT\tTOOK\tREASON\tMESSAGE")
	slices.SortStableFunc(p.verdicts, func(a, b pipeline.Record) int { return strings.Compare(a.Problem.Rule, b.Problem.Rule) })
	for i := range p.verdicts {
		said := p.verdicts[i].Problem
		if said.Verdict.Complete && said.Message == "" && i > 0 && p.verdicts[i-1].Problem.Rule == said.Rule {
			continue // the end of a list of instances
		}
		reason := said.Reason
		if said.State == pipeline.StateOK {
			reason = "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", said.Rule, orDash(said.Instance), said.State,
			(p.verdicts[i].Boot.At - said.Verdict.Start).Round(time.Millisecond), reason, orDash(cell(said.Message)))
	}
	delete(p.types, "")
	if len(p.types) > 0 {
		_, _ = fmt.Fprintln(table, "\nCONDITION\tSTATUS\tREASON\tMESSAGE")
	}
	for _, view := range p.store.Views() {
		if p.types[view.Type] {
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", view.Type, view.Status, view.Reason, orDash(cell(view.Message)))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.faults)) {
		_, _ = fmt.Fprintf(table, "\n%s is degraded: %s\n", id, terminal.Text(p.faults[id]))
	}
	return table.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
