package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// flagError tells of a flag that a command does not have which one may be meant.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { known = append(known, flag.Name) })
	if nearest, ok := strictyaml.Nearest(unknown.GetSpecifiedName(), known); ok {
		return fmt.Errorf("%w: did you mean --%s?", err, nearest)
	}
	return fmt.Errorf("%w: %s --help shows all", err, cmd.CommandPath())
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
