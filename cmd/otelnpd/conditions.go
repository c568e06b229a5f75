package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/operator"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

func newConditionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conditions",
		Short: "List or clear the conditions of the running agent",
		Long: `List or clear the conditions of the running agent, over its operator socket. Only
root and the agent's own user may.`,
	}
	cmd.AddCommand(newConditionsListCommand(), newConditionsClearCommand())
	return cmd
}

func newConditionsListCommand() *cobra.Command {
	return list[pipeline.ConditionView]{
		short:   "List the conditions and what holds them",
		example: "  otelnpd conditions list\n  otelnpd conditions list --output json",
		get:     (*operator.Client).Conditions,
		print:   printConditions,
	}.command()
}

func printConditions(out io.Writer, views []pipeline.ConditionView) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "TYPE\tSTATUS\tSINCE\tREASON\tMESSAGE")
	for _, view := range views {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", view.Type, view.Status,
			view.LastTransitionTime.UTC().Format(time.RFC3339), view.Reason, cell(view.Message))
		for _, cause := range view.Causes {
			_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", causeName(cause), cause.State,
				cause.Since.UTC().Format(time.RFC3339), cause.Reason, cell(cause.Message))
		}
	}
	return table.Flush()
}

func causeName(cause pipeline.ActiveCause) string {
	name := cause.Rule
	if cause.Instance != "" {
		name += " [" + cause.Instance + "]"
	}
	if cause.Restored {
		name += " (restored)"
	}
	return name
}

func newConditionsClearCommand() *cobra.Command {
	var flags agentFlags
	cmd := &cobra.Command{
		Use:   "clear TYPE",
		Short: "Declare a condition healthy until its next problem",
		Long: `Declare a condition healthy: all causes that hold it end, and lines that have been
judged do not bring them back, not even after a restart. The next match does.

The answer comes once that is on disk; a note says so if it cannot be.`,
		Example: "  otelnpd conditions clear KernelDeadlock",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("write one condition's TYPE; otelnpd conditions list shows them")
			}
			return nil
		},
		ValidArgsFunction: flags.completeTypes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
				cleared, err := client.Clear(ctx, args[0])
				if err != nil {
					return err
				}
				tellNote(cmd, cleared.Note)
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s; causes cleared: %d\n",
					cleared.Condition.Type, cleared.Condition.Status, cleared.Causes)
				return err
			})
		},
	}
	flags.add(cmd, answerTimeout)
	return cmd
}

// completeTypes completes the condition types that the agent has.
func (f *agentFlags) completeTypes(cmd *cobra.Command, args []string, _ string) (types []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	f.askForWords(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
		views, err := client.Conditions(ctx)
		for _, view := range views {
			types = append(types, view.Type+"\t"+view.Reason)
		}
		return err
	})
	return types, cobra.ShellCompDirectiveNoFileComp
}

// cell makes a text safe for a table on a terminal, and cuts a long one.
func cell(text string) string {
	const most = 200 // characters
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return terminal.Text(text)
}
