package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/otelnpd/otelnpd/npd/logcounter"
)

// The exit codes of node-problem-detector's plugins.
const (
	pluginNotOK   exitCode = 1
	pluginUnknown exitCode = 2
)

func newLogCounterCommand() *cobra.Command {
	return &cobra.Command{
		Use:   logcounter.Name + " [FLAGS]",
		Short: "Count lines of the journal, as node-problem-detector's plugin",
		Long: `Count the lines of the journal, or of the kernel's log, that match a pattern now,
as node-problem-detector's plugin log-counter. A binary or link that is called
log-counter does the same by itself. Exit 0 if there are fewer than --count, 1 with
their number on standard output if there are not, 2 with the reason if that cannot be
known.`,
		Example: `  otelnpd log-counter --journald-source=systemd --lookback=20m --count=5 \
    --pattern='Started (Kubernetes kubelet|kubelet\.service - .*)\.' \
    --revert-pattern='Stopping (Kubernetes kubelet|kubelet\.service - .*)\.\.\.'`,
		// Its flags are not this program's: -v takes a number, for example.
		DisableFlagParsing: true,
		RunE:               runLogCounter,
	}
}

// runLogCounter tells what is wrong on standard output: of a plugin that is what is
// shown.
func runLogCounter(cmd *cobra.Command, args []string) error {
	options, err := logcounter.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nExamples:\n%s\n\nFlags:\n%s", cmd.Long, cmd.Example, logcounter.Flags().FlagUsages())
		return err
	case err != nil:
		return tellUnknown(cmd, err)
	}
	for _, argument := range options.Arguments {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %q is no flag and has no effect: leave it out\n", argument)
	}
	result, err := logcounter.Count(cmd.Context(), options, logcounter.System())
	if err != nil {
		return tellUnknown(cmd, err)
	}
	for _, note := range result.Notes {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", note)
	}
	switch {
	case result.Found >= options.Count:
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "Found %d matching logs, which meets the threshold of %d\n", result.Found, options.Count)
		return errors.Join(err, pluginNotOK)
	case result.Unread != nil:
		return tellUnknown(cmd, result.Unread)
	}
	return nil
}

func tellUnknown(cmd *cobra.Command, err error) error {
	_, _ = fmt.Fprintln(cmd.OutOrStdout(), err)
	return pluginUnknown
}
