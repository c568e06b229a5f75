package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/pipeline/operator"
)

func newRulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List or silence the rules of the running agent",
		Long: `List or silence the rules of the running agent, over its operator socket. Only root
and the agent's own user may.`,
	}
	cmd.AddCommand(newRulesListCommand(), newRulesSilenceCommand(), newRulesUnsilenceCommand())
	return cmd
}

func newRulesListCommand() *cobra.Command {
	return list[operator.Rule]{
		short:   "List the rules, and which are silenced",
		example: "  otelnpd rules list\n  otelnpd rules list --output json | jq '.[] | select(.silenced_until) | .id'",
		get:     (*operator.Client).Rules,
		print:   printRules,
	}.command()
}

func printRules(out io.Writer, rules []operator.Rule) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tCONDITION\tREASON\tMODE\tSILENCED UNTIL")
	for _, rule := range rules {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", cell(rule.ID), cell(cmp.Or(rule.Condition, "-")), cell(rule.Reason),
			cell(rule.Mode), silencedUntil(rule))
	}
	return table.Flush()
}

func silencedUntil(rule operator.Rule) string {
	if rule.SilencedUntil.IsZero() {
		return "-"
	}
	return rule.SilencedUntil.UTC().Format(time.RFC3339)
}

// silenceFlag is the value of --for.
type silenceFlag struct{ silence time.Duration }

func (f *silenceFlag) String() string {
	if f.silence == 0 {
		return ""
	}
	return f.silence.String()
}

func (*silenceFlag) Type() string { return "duration" }

func (f *silenceFlag) Set(text string) (err error) {
	f.silence, err = operator.ParseSilence(text)
	return err
}

func newRulesSilenceCommand() *cobra.Command {
	var flags agentFlags
	var silence silenceFlag
	cmd := &cobra.Command{
		Use:   "silence ID --for DURATION",
		Short: "Keep a rule from having any effect for a time",
		Long: `Keep a rule from having any effect for a time, such as during maintenance. Silencing
a rule again sets the time anew. To be rid of a rule for good, list it under
processors.rules.disable in the configuration.

The answer comes once that is on disk, so that it outlives a restart; a note says
so if it cannot be.`,
		Example:           "  otelnpd rules silence kernel/docker-hung --for 2h",
		Args:              oneRule,
		ValidArgsFunction: flags.completeRules(func(operator.Rule) bool { return true }),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
				silenced, err := client.Silence(ctx, args[0], silence.silence)
				if err != nil {
					return err
				}
				tellNote(cmd, silenced.Note)
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is silenced until %s\n", cell(silenced.Rule), silenced.Until.UTC().Format(time.RFC3339))
				return err
			})
		},
	}
	cmd.Flags().Var(&silence, "for", "how long, 1s to 744h; then the rule works again by itself")
	_ = cmd.MarkFlagRequired("for") // the flag exists
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"30m", "2h", "24h"}, cobra.ShellCompDirectiveNoFileComp))
	flags.add(cmd, answerTimeout)
	return cmd
}

func newRulesUnsilenceCommand() *cobra.Command {
	var flags agentFlags
	cmd := &cobra.Command{
		Use:               "unsilence ID",
		Short:             "End the silence of a rule",
		Long:              "End the silence of a rule before its time. From then on it works again.",
		Example:           "  otelnpd rules unsilence kernel/docker-hung",
		Args:              oneRule,
		ValidArgsFunction: flags.completeRules(func(rule operator.Rule) bool { return !rule.SilencedUntil.IsZero() }),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
				unsilenced, err := client.Unsilence(ctx, args[0])
				if err != nil {
					return err
				}
				tellNote(cmd, unsilenced.Note)
				state := "was not silenced"
				if unsilenced.Silenced {
					state = "is no longer silenced"
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", cell(unsilenced.Rule), state)
				return err
			})
		},
	}
	flags.add(cmd, answerTimeout)
	return cmd
}

func oneRule(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("write one rule's ID; otelnpd rules list shows them")
	}
	return nil
}

// completeRules completes the ids of rules that the agent has.
func (f *agentFlags) completeRules(offer func(operator.Rule) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		f.askForWords(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
			rules, err := client.Rules(ctx)
			for _, rule := range rules {
				if offer(rule) {
					ids = append(ids, rule.ID+"\t"+rule.Reason)
				}
			}
			return err
		})
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
