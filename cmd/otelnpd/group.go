package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// refuseUnknownCommands lets no group take a word for a command that is none, the
// one of shell completions included. root knows already where to write.
func refuseUnknownCommands(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if command.HasSubCommands() {
			refuseUnknown(command)
		}
	}
}

// refuseUnknown makes a command that does nothing but have others refuse what is
// none of them: cobra would show its help and succeed.
func refuseUnknown(group *cobra.Command) {
	group.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var known []string
		for _, command := range cmd.Commands() {
			if command.IsAvailableCommand() {
				known = append(known, command.Name())
			}
		}
		return fmt.Errorf("unknown command %q for %q: %s", args[0], cmd.CommandPath(), strictyaml.Suggest(args[0], known))
	}
	group.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}
