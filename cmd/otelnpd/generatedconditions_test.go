package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// TestGeneratedConditions makes docs/conditions.md of what declares conditions: the rule
// packs, the checks, the health receiver, and the files for node-problem-detector in the image.
func TestGeneratedConditions(t *testing.T) {
	requireGenerated(t, "docs/conditions.md", conditionPage(t))
}

const conditionHead = `# Conditions

Every node condition that the built-in rules and checks, and node-problem-detector's files in the image, can set. This page is made from
them (` + "`make generate`" + `). Your own conditions stand under ` + "`conditions:`" + ` of the [configuration](configuration.md).

A condition is True while at least one cause holds it, and shows the reason and message of the cause that came last. How a cause ends:

- **reboot**: with the next boot, also where the agent was not running; before that by ` + "`otelnpd conditions clear TYPE`" + `.
- **a time**: when there was no such line for that long.
- **by itself**: when the check says that all is well again.

A check turns its condition at a limit of its figure. “True from 95 for 30s, False below 90” are its keys ` + "`fail: {enter: 95, for: 30s, leave: 90}`" + `
([checks](../receivers/checks/README.md)). “No limit” means that the built-in configuration has none: the condition exists once you write
` + "`fail: {enter: …}`" + ` at the check; “an Event alone” is what there is till then.

A check that cannot see what it would have to says nothing: the condition stays as it was, or is Unknown if it never was known. The receiver
` + "`pstore`" + ` sets no condition: a panic ended with its boot, and is told as an Event. Acting on conditions by itself is for other tools:
[remediation.md](remediation.md). What to do first when one is True: [runbook.md](runbook.md#nodeproblem).

On by default means: *agent*, in the configuration that the agent has without a file; *chart*, in the chart's (kernel's log from the journal);
*compat image*, in the image ` + "`otelnpd-compat`" + `, which runs as node-problem-detector, without arguments.

`

// setter is what can make a condition a problem.
type setter struct{ by, reason, ends string }

// documented is all that is told of one condition.
type documented struct {
	declared condition.Type
	setters  []setter
	files    []string // of node-problem-detector
}

// conditionBook gathers conditions by type.
type conditionBook map[string]*documented

// add takes what a part brings; by names a rule of it,
// or leaves it out.
func (b conditionBook) add(brings condition.Config, by func(condition.Rule) string) {
	for _, one := range brings.Types {
		if b[one.Name] == nil {
			b[one.Name] = &documented{declared: one}
		}
	}
	for _, rule := range brings.Rules {
		if name := by(rule); rule.Condition != "" && name != "" {
			d := b[rule.Condition]
			d.setters = append(d.setters, setter{name, rule.Reason, endOf(rule, d.declared)})
		}
	}
}

// endOf says how a rule's cause ends.
func endOf(rule condition.Rule, declared condition.Type) string {
	clearing := rule.Clear
	if clearing.By == "" {
		clearing = declared.Clear
	}
	switch {
	case rule.Level:
		return "by itself"
	case clearing.By == condition.ClearByTTL:
		return withoutZeros(clearing.TTL.String()) + " without it"
	case clearing.By == "" || clearing.By == condition.ClearByBoot:
		return "reboot"
	}
	return string(clearing.By)
}

func conditionPage(t *testing.T) string {
	t.Helper()
	book := conditionBook{}
	book.addPacks(t)
	book.addChecks(t)
	book.addHealth(t)
	book.addNPD(t)
	names := slices.Sorted(maps.Keys(book))
	says, on := meanings(t, names), defaults(t)
	var out strings.Builder
	out.WriteString(conditionHead + "| condition | means | on by default |\n|---|---|---|\n")
	for _, name := range names {
		first, _, _ := strings.Cut(says[name].meaning, ". ")
		fmt.Fprintf(&out, "| [%s](#%s) | %s | %s |\n", name, strings.ToLower(name), strings.TrimSuffix(first, "."), cmp.Or(on.short(name), "no"))
	}
	for _, name := range names {
		book[name].write(&out, name, says[name], on)
	}
	return out.String()
}

func (d *documented) write(out *strings.Builder, name string, says meaning, on defaultSets) {
	fmt.Fprintf(out, "\n## %s\n\n%s\n\n", name, says.meaning)
	fmt.Fprintf(out, "- **Healthy**: reason `%s`, message “%s”.\n", d.declared.HealthyReason, d.declared.HealthyMessage)
	fmt.Fprintf(out, "- **On by default**: %s.\n", cmp.Or(on.long(name), "no"))
	if len(d.files) > 0 {
		fmt.Fprintf(out, "- **Files of node-problem-detector in the image**: `%s`.\n", strings.Join(d.files, "`, `"))
	}
	fmt.Fprintf(out, "- **What to do**: %s\n\n| set by | reason | ends |\n|---|---|---|\n", says.remedy)
	for _, one := range d.setters {
		fmt.Fprintf(out, "| %s | `%s` | %s |\n", inCell(one.by), one.reason, one.ends)
	}
}

func TestConditionsOfTheDefaultConfigurationAreDocumented(t *testing.T) {
	page := conditionPage(t)
	for name := range defaults(t)["agent"] {
		require.Contains(t, page, "\n## "+name+"\n")
	}
}
