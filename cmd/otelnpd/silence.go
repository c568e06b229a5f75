package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/pipeline/operator"
)

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
	var choice ruleChoice
	cmd := &cobra.Command{
		Use:   "silence [ID...] --for DURATION",
		Short: "Keep rules from having any effect for a time",
		Long: `Keep rules from having any effect for a time, such as during maintenance: those with
the IDs, or globs of them, and with --condition all that act on a condition. Silencing
a rule again sets the time anew. To be rid of a rule for good, list it under
processors.rules.disable in the configuration.

What a rule holds already it goes on to hold: otelnpd conditions clear ends that.

The answer comes once that is on disk, so that it outlives a restart; a note says
so if it cannot be.`,
		Example: `  otelnpd rules silence kernel/docker-hung --for 2h
  otelnpd rules silence 'kernel/ext4-*' kernel/io-error --for 30m
  otelnpd rules silence --condition KernelDeadlock --for 2h`,
		Args:              choice.check,
		ValidArgsFunction: flags.completeRules(func(operator.Rule) bool { return true }),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ids []string
			if err := flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) (err error) {
				if ids, err = choice.resolve(ctx, client, args); err != nil {
					return err
				}
				return checkRoom(ctx, client, ids)
			}); err != nil {
				return err
			}
			return flags.orderAll(cmd, ids, func(ctx context.Context, client *operator.Client, id string) (string, string, error) {
				done, err := client.Silence(ctx, id, silence.silence)
				return fmt.Sprintf("%s is silenced until %s", cell(done.Rule), done.Until.UTC().Format(time.RFC3339)), done.Note, err
			})
		},
	}
	cmd.Flags().Var(&silence, "for", "how long, 1s to 744h; then the rules work again by themselves")
	_ = cmd.MarkFlagRequired("for") // the flag exists
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"30m", "2h", "24h"}, cobra.ShellCompDirectiveNoFileComp))
	choice.addCondition(cmd, &flags)
	flags.add(cmd, answerTimeout)
	return cmd
}

func newRulesUnsilenceCommand() *cobra.Command {
	var flags agentFlags
	choice := ruleChoice{silenced: true}
	cmd := &cobra.Command{
		Use:   "unsilence [ID...]",
		Short: "End the silence of rules",
		Long: `End the silence of rules before its time: of those with the IDs, or globs of them, with
--condition of all that act on a condition, with --all of every rule. From then on they
work again.`,
		Example:           "  otelnpd rules unsilence kernel/docker-hung\n  otelnpd rules unsilence --all",
		Args:              choice.check,
		ValidArgsFunction: flags.completeRules(func(rule operator.Rule) bool { return !rule.SilencedUntil.IsZero() }),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ids []string
			if err := flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) (err error) {
				ids, err = choice.resolve(ctx, client, args)
				return err
			}); err != nil {
				return err
			}
			return flags.orderAll(cmd, ids, func(ctx context.Context, client *operator.Client, id string) (string, string, error) {
				done, err := client.Unsilence(ctx, id)
				state := "was not silenced"
				if done.Silenced {
					state = "is no longer silenced"
				}
				return cell(done.Rule) + " " + state, done.Note, err
			})
		},
	}
	cmd.Flags().BoolVar(&choice.all, "all", false, "every rule that is silenced")
	choice.addCondition(cmd, &flags)
	flags.add(cmd, answerTimeout)
	return cmd
}
