package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
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
	var silenced bool
	cmd := list[operator.Rule]{
		short:   "List the rules, and which are silenced",
		example: "  otelnpd rules list\n  otelnpd rules list --silenced\n  otelnpd rules list --output json | jq '.[] | select(.condition) | .id'",
		get: func(client *operator.Client, ctx context.Context) ([]operator.Rule, error) {
			rules, err := client.Rules(ctx)
			return slices.DeleteFunc(rules, func(rule operator.Rule) bool { return silenced && rule.SilencedUntil.IsZero() }), err
		},
		print: printRules,
	}.command()
	cmd.Flags().BoolVar(&silenced, "silenced", false, "only those that are silenced")
	return cmd
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

// completeRules completes the ids of rules that the agent has.
func (f *agentFlags) completeRules(offer func(operator.Rule) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
		f.askForWords(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
			rules, err := client.Rules(ctx)
			for _, rule := range rules {
				if offer(rule) && !slices.Contains(args, rule.ID) {
					ids = append(ids, rule.ID+"\t"+rule.Reason)
				}
			}
			return err
		})
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
