package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/npd/healthchecker"
	"github.com/otelnpd/otelnpd/npd/logcounter"
)

// TestGeneratedCommandLine makes docs/cli.md of the commands.
func TestGeneratedCommandLine(t *testing.T) {
	// What a default is must not depend on who makes the page.
	t.Setenv(socketVariable, "")
	t.Setenv(stateDirVariable, "")
	requireGenerated(t, "docs/cli.md", commandLine())
}

const commandLineHead = `# The command line

All commands of ` + "`otelnpd`" + `, with their flags, exit codes and environment variables. This page is made from the commands themselves
(` + "`make generate`" + `); ` + "`otelnpd COMMAND --help`" + ` and ` + "`man otelnpd-COMMAND`" + ` say the same.

`

func commandLine() string {
	root := newRootCommand()
	var out strings.Builder
	out.WriteString(commandLineHead)
	fmt.Fprintf(&out, "%s\n\n## Exit codes\n\n%s\n## Environment variables\n\n%s", paragraphs(root.Long), exitCodes(), variables())
	out.WriteString("\n## Commands\n\n| command | does |\n|---|---|\n")
	list := runnable(root)
	for _, cmd := range list {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), anchor(cmd), cmd.Short)
	}
	out.WriteString("| `otelnpd completion SHELL` | Print what completes commands, flags, conditions and rules in bash, zsh or fish |\n")
	out.WriteString("| `otelnpd help COMMAND` | Say what a command does, as `--help` |\n")
	for _, cmd := range list {
		writeCommand(&out, cmd)
	}
	return out.String()
}

// runnable are the commands that do something, those below a command behind it. Completion of
// the shell is cobra's own.
func runnable(cmd *cobra.Command) (list []*cobra.Command) {
	for _, below := range cmd.Commands() {
		if len(below.Commands()) == 0 {
			list = append(list, below)
		}
		list = append(list, runnable(below)...)
	}
	return list
}

func anchor(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func writeCommand(out *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(out, "\n### %s\n\n```text\n%s\n```\n\n%s\n", cmd.CommandPath(), synopsis(cmd), paragraphs(longOf(cmd)))
	if cmd.Example != "" {
		fmt.Fprintf(out, "\n```sh\n%s\n```\n", unindent(cmd.Example))
	}
	out.WriteString("\n" + flagTable(flagsOf(cmd)))
}

// synopsis is a command's usage line.
func synopsis(cmd *cobra.Command) string {
	line := cmd.CommandPath() + strings.TrimPrefix(cmd.Use, cmd.Name())
	if !cmd.DisableFlagParsing && !strings.Contains(line, "FLAGS") {
		line += " [flags]"
	}
	return line
}

// longOf is what a command says of itself, with what its parent says of all below it.
func longOf(cmd *cobra.Command) string {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	if parent := cmd.Parent(); parent.HasParent() && parent.Long != "" {
		text += "\n\n" + parent.Long
	}
	return text
}

// flagsOf are a command's flags; those of node-problem-detector's programs are read
// elsewhere.
func flagsOf(cmd *cobra.Command) *pflag.FlagSet {
	switch cmd.Name() {
	case npdName:
		return npd.Flags(&npd.Options{})
	case logcounter.Name:
		return logcounter.Flags()
	case healthchecker.Name:
		return healthchecker.Flags()
	}
	return cmd.LocalFlags()
}

func flagTable(flags *pflag.FlagSet) string {
	var rows strings.Builder
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		name, usage := pflag.UnquoteUsage(flag)
		written := "`--" + flag.Name + strings.TrimRight(" "+name, " ") + "`"
		if flag.Shorthand != "" {
			written = "`-" + flag.Shorthand + "`, " + written
		}
		value := flag.DefValue
		if slices.Contains([]string{"", "[]", "0s", "0"}, value) {
			value = ""
		} else {
			value = "`" + value + "`"
		}
		if flag.Deprecated != "" {
			usage += " (deprecated: " + flag.Deprecated + ")"
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", written, value, variableInText.ReplaceAllString(inCell(usage), "`$0`"))
	})
	if rows.Len() == 0 {
		return "It has no flags.\n"
	}
	return "| flag | default | meaning |\n|---|---|---|\n" + rows.String()
}

// variableInText is one of the environment: what stands between two dollars can be taken for mathematics.
var variableInText = regexp.MustCompile(`\$[A-Z]+(?:_[A-Z]+)*`)

// inCell makes a text safe in a table.
func inCell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "*", `\*`).Replace(strings.TrimSpace(text))
}

// words are the parts of a help text that are code: a flag, a variable, a key.
var words = regexp.MustCompile(`(^|[\s(])(--[a-z-]+(?:=[a-z]+)?|\$?[A-Z]+(?:_[A-Z]+)+|[a-z]+\.[a-z_.]+[a-z]|/[a-z]+/[a-z/.]+[a-z])`)

// paragraphs makes Markdown of a help text: its lines are wrapped for a terminal.
func paragraphs(text string) string {
	var all []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			all = append(all, "```text\n"+unindent(paragraph)+"\n```")
			continue
		}
		var lines []string
		for part := range strings.SplitSeq(paragraph, "`") { // code is left as it is
			if len(lines)%2 == 0 {
				part = words.ReplaceAllString(part, "$1`$2`")
			}
			lines = append(lines, part)
		}
		all = append(all, strings.ReplaceAll(strings.Join(lines, "`"), "<", `\<`))
	}
	return strings.Join(all, "\n\n")
}

func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// exits are the exit codes of commands for which 0 and 1 do not say all, from 0 on.
var exits = map[string][]string{
	"otelnpd health-checker": {"healthy", "not healthy", "that cannot be known", ""},
	"otelnpd healthcheck":    {"the agent makes progress", "it does not, or cannot be reached", "", ""},
	"otelnpd log-counter":    {"fewer lines than `--count`", "as many or more", "that cannot be known", ""},
	"otelnpd plugin test":    {"all is well", "the file cannot be used", "a plugin has found a problem", "a plugin could not tell"},
	"otelnpd reload":         {"the new configuration runs", "it has an error, and the one before runs on", "", ""},
	"otelnpd run":            {"it has shut down", "it cannot start", "", ""},
	"otelnpd validate":       {"valid, maybe with warnings", "an error", "", ""},
}

// exitCodes is the table of what exit codes mean.
func exitCodes() string {
	var out strings.Builder
	out.WriteString("| command | 0 | 1 | 2 | 3 |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(exits)) {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", name, strings.ReplaceAll(name, " ", "-"), strings.Join(exits[name], " | "))
	}
	out.WriteString("| all others | done | not done; standard error says why |  |  |\n")
	return out.String()
}

// TestExitCodesAreDocumented for each command whose help tells of them, and no other.
func TestExitCodesAreDocumented(t *testing.T) {
	tells := regexp.MustCompile(`\b[Ee]xits?\b`)
	var names []string
	for _, cmd := range runnable(newRootCommand()) {
		if tells.MatchString(cmd.Long) {
			names = append(names, cmd.CommandPath())
		}
	}
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(exits)))
}

func variables() string {
	var out strings.Builder
	out.WriteString("| variable | meaning |\n|---|---|\n")
	for _, one := range environment() {
		fmt.Fprintf(&out, "| `%s` | %s |\n", one.name, one.meaning)
	}
	return out.String()
}
