package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/pipeline"
)

// The exit codes of `plugin test` beside 0 and 1.
const (
	testFoundProblem exitCode = 2
	testFoundUnknown exitCode = 3
)

func newPluginCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Try plugins"}
	cmd.AddCommand(newPluginTestCommand())
	return cmd
}

func newPluginTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE",
		Short: "Run all plugins of a file once, and show what comes of it",
		Long: `Run all plugins of a file once, as the agent does, with their timeouts, users and
limits, and show what each says, how long it took, and how the conditions that they
act on would stand then. FILE is a configuration in YAML, or a custom plugin monitor
of node-problem-detector in JSON (.json).

After one run a check with a failure_threshold above 1 or a time in for has turned no
condition yet: one that it found a problem for stays Unknown.

Nothing is told to anybody else. Exit 0 if every plugin says that all is well, 2 if
one has found a problem, 3 if one could not tell, 1 if the file cannot be used.`,
		Example: "  otelnpd plugin test otelnpd.yaml\n  otelnpd plugin test /config/custom-plugin-monitor.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("write one FILE: a configuration in YAML, or a custom plugin monitor in JSON")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return testPlugins(cmd, args[0]) },
	}
}

func testPlugins(cmd *cobra.Command, path string) error {
	loaded, warnings, err := loadPlugins(cmd, path)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", warning)
	}
	// Who interrupts it leaves no command behind.
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	trial, err := newPluginTrial(cmd, loaded)
	if err != nil {
		return err
	}
	if len(trial.receivers) == 0 {
		return fmt.Errorf("%s has no plugins: write a receiver of type plugin with checks", path)
	}
	err = trial.run(ctx)
	notEnded := trial.stop()
	if err != nil {
		return errors.Join(err, notEnded)
	}
	if err := errors.Join(trial.print(cmd.OutOrStdout()), notEnded); err != nil {
		return err
	}
	return trial.outcome()
}

// loadPlugins reads a configuration, or a file of node-problem-detector.
func loadPlugins(cmd *cobra.Command, path string) (loaded *config.Config, warnings []string, err error) {
	if filepath.Ext(path) != ".json" {
		if loaded, err = loadConfig(cmd, path); err != nil {
			return nil, nil, err
		}
		for _, warning := range loaded.Warnings {
			warnings = append(warnings, warning.Error())
		}
		return loaded, warnings, nil
	}
	options, err := npd.Parse([]string{"--config.custom-plugin-monitor=" + path})
	if err != nil {
		return nil, nil, tellBad(cmd, err, path)
	}
	if loaded, warnings, err = loadNPD(options); err != nil {
		return nil, nil, tellBad(cmd, err, path)
	}
	return loaded, warnings, nil
}

// outcome is the exit code of what the plugins have said.
func (p *pluginTrial) outcome() error {
	switch {
	case p.said[pipeline.StateUnknown] > 0:
		return testFoundUnknown
	case p.said[pipeline.StateProblem] > 0:
		return testFoundProblem
	default:
		return nil
	}
}

// stop ends the receivers; they have not long to say anything.
func (p *pluginTrial) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), killTime)
	defer cancel()
	var errs []error
	for _, receiver := range p.receivers {
		errs = append(errs, receiver.Shutdown(ctx))
	}
	p.launcher.Abandon()
	return errors.Join(errs...)
}
