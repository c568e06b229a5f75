package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/pipeline/operator"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// ruleChoice says which rules a command is about, beside its arguments: ids, and
// globs of ids as processors.rules.disable takes them.
type ruleChoice struct {
	condition string
	all       bool
	// silenced leaves rules out that are not silenced, unless an argument is their id.
	silenced bool
}

func (c *ruleChoice) addCondition(cmd *cobra.Command, flags *agentFlags) {
	cmd.Flags().StringVar(&c.condition, "condition", "", "all rules that act on the condition of this TYPE")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("condition", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return flags.completeTypes(cmd, nil, "")
	})
}

// check refuses a command line that chooses nothing, or a glob that is none.
func (c *ruleChoice) check(_ *cobra.Command, args []string) error {
	if len(args) == 0 && c.condition == "" && !c.all {
		return errors.New("write rules' IDs or --condition TYPE; otelnpd rules list shows them")
	}
	for _, arg := range args {
		if _, err := path.Match(arg, ""); err != nil {
			return fmt.Errorf("%q is no glob: %w", arg, err)
		}
	}
	return nil
}

// resolve returns the ids that are chosen, each once. Whether there is a rule that an
// argument spells out, the agent says.
func (c *ruleChoice) resolve(ctx context.Context, client *operator.Client, args []string) (ids []string, err error) {
	var rules []operator.Rule
	if c.all || c.condition != "" || slices.ContainsFunc(args, isGlob) {
		if rules, err = client.Rules(ctx); err != nil {
			return nil, err
		}
	}
	var errs []error
	take := func(found []string, err error) { ids, errs = append(ids, found...), append(errs, err) }
	for _, arg := range args {
		take(c.named(rules, arg))
	}
	if c.condition != "" {
		take(c.ofCondition(rules))
	}
	if c.all {
		ids = append(ids, c.of(rules)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), errors.Join(errs...)
}

// named returns the rules that an argument names.
func (c *ruleChoice) named(rules []operator.Rule, arg string) ([]string, error) {
	if !isGlob(arg) {
		return []string{arg}, nil
	}
	var meant []operator.Rule
	for _, rule := range rules {
		if matched, err := path.Match(arg, rule.ID); err == nil && matched {
			meant = append(meant, rule)
		}
	}
	if len(meant) == 0 {
		return nil, fmt.Errorf("%q names no rule; otelnpd rules list shows all", arg)
	}
	return c.of(meant), nil
}

// ofCondition returns the rules that act on the condition.
func (c *ruleChoice) ofCondition(rules []operator.Rule) ([]string, error) {
	var meant []operator.Rule
	for _, rule := range rules {
		if rule.Condition == c.condition {
			meant = append(meant, rule)
		}
	}
	if len(meant) == 0 {
		return nil, fmt.Errorf("no rule acts on a condition %s; %s", c.condition, strictyaml.Suggest(c.condition, conditionsOf(rules)))
	}
	return c.of(meant), nil
}

// of returns the ids of those among the rules that the command is for.
func (c *ruleChoice) of(rules []operator.Rule) (ids []string) {
	for _, rule := range rules {
		if !c.silenced || !rule.SilencedUntil.IsZero() {
			ids = append(ids, rule.ID)
		}
	}
	return ids
}

func isGlob(arg string) bool { return strings.ContainsAny(arg, `*?[\`) }

func conditionsOf(rules []operator.Rule) (types []string) {
	for _, rule := range rules {
		if rule.Condition != "" && !slices.Contains(types, rule.Condition) {
			types = append(types, rule.Condition)
		}
	}
	return types
}

// checkRoom refuses to silence rules where that is too many: none is silenced then, in
// place of some.
func checkRoom(ctx context.Context, client *operator.Client, ids []string) error {
	if len(ids) <= 1 {
		return nil // the agent says it as well
	}
	rules, err := client.Rules(ctx)
	if err != nil {
		return err
	}
	silenced := map[string]bool{}
	for _, id := range ids {
		silenced[id] = true
	}
	for _, rule := range rules {
		if !rule.SilencedUntil.IsZero() {
			silenced[rule.ID] = true
		}
	}
	if len(silenced) > operator.MaxSilences {
		return fmt.Errorf("%d rules would be silenced, and no more than %d can be: silence fewer, or list them under processors.rules.disable",
			len(silenced), operator.MaxSilences)
	}
	return nil
}

// ruleOrder orders something of a rule and returns what the agent says to it.
type ruleOrder func(ctx context.Context, client *operator.Client, id string) (answer, note string, err error)

// orderAll gives the agent an order about each rule and prints its answers. Each answer
// may take as long as the flags say. It asks for many at once, since each answer waits for
// the disk, and one write serves them all.
func (f *agentFlags) orderAll(cmd *cobra.Command, ids []string, order ruleOrder) error {
	const most = 64 // requests under way
	answers, notes, errs := make([]string, len(ids)), make([]string, len(ids)), make([]error, len(ids))
	var underWay sync.WaitGroup
	var silent atomic.Bool // an agent that has not answered one will not answer the others
	begun := 0
	for places := make(chan struct{}, most); begun < len(ids); begun++ {
		places <- struct{}{}
		if silent.Load() {
			break
		}
		i := begun
		underWay.Go(func() {
			answers[i], notes[i], errs[i] = f.order(cmd.Context(), ids[i], order)
			if _, refused := errors.AsType[*operator.Refusal](errs[i]); errs[i] != nil && !refused {
				silent.Store(true)
			}
			<-places
		})
	}
	underWay.Wait()
	if left := len(ids) - begun; left > 0 {
		errs = append(errs, fmt.Errorf("%d more rules were not asked for", left))
	}
	tellOrders(cmd, answers[:begun], notes, errs)
	return errors.Join(errs...)
}

func (f *agentFlags) order(ctx context.Context, id string, order ruleOrder) (answer, note string, err error) {
	err = f.ask(ctx, func(ctx context.Context, client *operator.Client) (err error) {
		answer, note, err = order(ctx, client, id)
		return err
	})
	return answer, note, err
}

// tellOrders prints the answers that are no errors, and each note once.
func tellOrders(cmd *cobra.Command, answers, notes []string, errs []error) {
	for i, answer := range answers {
		if errs[i] == nil {
			_, _ = fmt.Fprintln(cmd.OutOrStdout(), answer)
		}
	}
	slices.Sort(notes)
	for _, note := range slices.Compact(notes) {
		tellNote(cmd, note)
	}
	if len(answers) == 0 {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), "no such rule is silenced")
	}
}
