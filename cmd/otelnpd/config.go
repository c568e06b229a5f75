package main

import (
	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Work with configurations"}
	cmd.AddCommand(newConvertCommand(), newSchemaCommand(), &cobra.Command{
		Use:     "default",
		Short:   "Print the built-in default configuration",
		Example: "  otelnpd config default > otelnpd.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Default())
			return err
		},
	})
	return cmd
}
