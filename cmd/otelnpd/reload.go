package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline/operator"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// reloadTimeout leaves components the time to end and to start.
const reloadTimeout = time.Minute

func newReloadCommand() *cobra.Command {
	var flags agentFlags
	output := outputText
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running agent read its configuration again",
		Long: `Have the running agent read its configuration and all rule packs again, over its
operator socket, and print what is different. What has not changed runs on, and
conditions, positions and what is to be delivered are kept.

A configuration with an error changes nothing: the errors are printed, each with
its file, line and column, and the exit code is 1. otelnpd validate finds them
before. Exit 0 if the new configuration runs, or is the one that ran already, even
where a note tells of something that went wrong. The agent does the same by itself on SIGHUP and when a file has changed.`,
		Example: "  otelnpd validate --config /etc/otelnpd/otelnpd.yaml && otelnpd reload",
		Args:    noFileArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
				reloaded, err := client.Reload(ctx)
				if err != nil {
					return err
				}
				for _, warning := range reloaded.Warnings {
					_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", terminal.Text(warning))
				}
				tellNote(cmd, reloaded.Note)
				if output == outputJSON {
					return printJSON(cmd.OutOrStdout(), reloaded)
				}
				return printReloaded(cmd.OutOrStdout(), reloaded)
			})
		},
	}
	addOutputFlag(cmd, &output, outputText, outputJSON)
	flags.add(cmd, reloadTimeout)
	return cmd
}

func printReloaded(out io.Writer, reloaded operator.Reloaded) error {
	if !reloaded.Changed {
		_, err := fmt.Fprintln(out, "the configuration has not changed")
		return err
	}
	var text strings.Builder
	text.WriteString("the new configuration runs\n")
	difference := config.Difference(reloaded.Summary)
	for _, part := range difference.Parts() {
		fmt.Fprintf(&text, "  %s: %s\n", part.Title, terminal.Text(strings.Join(part.Names, ", ")))
	}
	_, err := io.WriteString(out, text.String())
	return err
}
