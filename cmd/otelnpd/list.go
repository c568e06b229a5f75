package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/pipeline/operator"
)

// list is a command that lists what the running agent has of one kind.
type list[T any] struct {
	short, example string
	// get asks the agent.
	get func(*operator.Client, context.Context) ([]T, error)
	// print is the text form.
	print func(io.Writer, []T) error
}

func (l list[T]) command() *cobra.Command {
	var flags agentFlags
	output := outputText
	cmd := &cobra.Command{
		Use:     "list",
		Short:   l.short,
		Example: l.example,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var found []T
			err := flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) (err error) {
				found, err = l.get(client, ctx)
				return err
			})
			if err != nil {
				return err
			}
			if output == outputJSON {
				return printJSON(cmd.OutOrStdout(), found)
			}
			return l.print(cmd.OutOrStdout(), found)
		},
	}
	addOutputFlag(cmd, &output, outputText, outputJSON)
	flags.add(cmd, answerTimeout)
	return cmd
}
