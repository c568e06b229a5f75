package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/receivers/replay"
)

// runInput judges a saved log, as the configuration's rules say, and ends at its
// end.
func runInput(cmd *cobra.Command, loaded *config.Config, logger *slog.Logger, path string) error {
	stdin, err := inputFile(cmd, path)
	if err != nil {
		return err
	}
	replayOnly(&loaded.Graph)
	withoutChecks(&loaded.Conditions)
	boot := inputBoot(loaded.Service.Host)
	clock := replay.NewClock(pipeline.Instant{Wall: boot.Start})
	result := make(chan replay.Result, 1)
	ended := make(chan struct{})
	factory := replay.NewFactory(replay.Options{
		Path: path, Stdin: stdin, Clock: clock,
		Ended: func(r replay.Result) {
			result <- r
			close(ended)
		},
	})
	node, err := nodeName(loaded.Service.Node)
	if err != nil {
		return err
	}
	err = runAgent(cmd.Context(), agentOptions{
		config: loaded, logger: logger, clock: clock, boot: boot, node: node,
		console:        consoleTargetOf(cmd.OutOrStdout(), console.WaitForOutput()),
		extraReceivers: []pipeline.ReceiverFactory{factory},
	}, ended, nil)
	if err != nil {
		return err
	}
	return tellResult(logger, <-result)
}

func tellResult(logger *slog.Logger, read replay.Result) error {
	if read.Err != nil {
		return fmt.Errorf("after %d lines: %w", read.Lines, read.Err)
	}
	logger.Info("the input has ended", "lines", read.Lines, "cut", read.Cut)
	return nil
}

// inputFile returns standard input where the path asks for it.
func inputFile(cmd *cobra.Command, path string) (*os.File, error) {
	if path != "-" {
		return nil, nil //nolint:nilnil // the receiver opens the path itself
	}
	file, ok := cmd.InOrStdin().(*os.File)
	if !ok {
		return nil, fmt.Errorf("standard input is a %T: only a file can be read", cmd.InOrStdin())
	}
	return file, nil
}

// inputBoot is the boot that stamps of a saved log count from. Whose log it is
// cannot be known: this machine's boot is right for the output of its own dmesg,
// and as good as any other for the rest.
func inputBoot(host pipeline.Host) pipeline.Boot {
	boot, err := pipeline.ReadBoot(host, pipeline.SystemClock{})
	if err != nil {
		return pipeline.Boot{ID: "input", Start: time.Now()}
	}
	return boot
}

// withoutChecks takes out the checks, which nothing runs beside a saved log, and the
// conditions that they alone act on: these would stay Unknown to the end.
func withoutChecks(conditions *condition.Config) {
	checked, judged := map[string]bool{}, map[string]bool{}
	for i := range conditions.Rules {
		if rule := &conditions.Rules[i]; rule.Level {
			checked[rule.Condition] = true
		} else {
			judged[rule.Condition] = true
		}
	}
	conditions.Rules = slices.DeleteFunc(conditions.Rules, func(rule condition.Rule) bool { return rule.Level })
	conditions.Types = slices.DeleteFunc(conditions.Types, func(declared condition.Type) bool {
		return checked[declared.Name] && !judged[declared.Name]
	})
}

// replayOnly wires one replay receiver and one console to every pipeline, in
// place of what the configuration names. Of several pipelines with the same
// processors the first is kept: the log is to be judged once.
func replayOnly(graph *pipeline.GraphConfig) {
	receiver, exporter := pipeline.ID{Type: replay.Type}, pipeline.ID{Type: console.Type}
	exporterConfig := pipeline.Config(console.DefaultConfig())
	for id, own := range graph.Exporters {
		if id.Type == console.Type {
			exporterConfig = own
		}
	}
	graph.Receivers = map[pipeline.ID]pipeline.Config{receiver: &replay.Config{}}
	graph.Exporters = map[pipeline.ID]pipeline.Config{exporter: exporterConfig}
	var kept []pipeline.PipelineConfig
	judged := map[string]bool{}
	for _, p := range graph.Pipelines {
		if key := fmt.Sprint(p.Processors); !judged[key] {
			judged[key] = true
			p.Receivers, p.Exporters = []pipeline.ID{receiver}, []pipeline.ID{exporter}
			kept = append(kept, p)
		}
	}
	graph.Pipelines = kept
}
