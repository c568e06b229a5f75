package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// The forms of output that commands know.
const (
	outputText = "text"
	outputJSON = "json"
)

// choice is a flag's value that is one of a few words.
type choice struct {
	value   *string
	allowed []string
}

func (c choice) String() string { return *c.value }
func (choice) Type() string     { return "string" }

func (c choice) Set(word string) error {
	if !slices.Contains(c.allowed, word) {
		return fmt.Errorf("write one of %s", strings.Join(c.allowed, ", "))
	}
	*c.value = word
	return nil
}

// addOutputFlag adds --output, with completion of its words.
func addOutputFlag(cmd *cobra.Command, value *string, allowed ...string) {
	cmd.Flags().VarP(choice{value, allowed}, "output", "o", "output form: "+strings.Join(allowed, " or "))
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

// printJSON prints a value, whose texts may be hostile: those of log lines, for example.
func printJSON(out io.Writer, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = out.Write(append(terminal.AppendJSON(nil, text), '\n'))
	return err
}

// tellNote tells what is not as it should be, beside what a command prints.
func tellNote(cmd *cobra.Command, note string) {
	if note != "" {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Note:", terminal.Text(note))
	}
}
