package main

import (
	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
)

func newSchemaCommand() *cobra.Command {
	var pack bool
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Long: `Print the JSON Schema (draft 2020-12) of the configuration. An editor with a YAML
language server completes keys by it, shows what they mean and marks mistakes, once
the first line of a file names it:

  # yaml-language-server: $schema=otelnpd.schema.json

It knows the shape of a file. otelnpd validate knows all that can be wrong.`,
		Example: `  otelnpd config schema > otelnpd.schema.json
  otelnpd config schema --pack > otelnpd-pack.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema := config.Schema()
			if pack {
				var err error
				if schema, err = config.PackSchema(); err != nil {
					return err
				}
			}
			_, err := cmd.OutOrStdout().Write(schema)
			return err
		},
	}
	cmd.Flags().BoolVar(&pack, "pack", false, "print the schema of rule packs instead")
	return cmd
}
