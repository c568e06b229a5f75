package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline/operator"
)

func addSocketFlag(cmd *cobra.Command, socket *string) {
	cmd.Flags().StringVar(socket, "socket", config.DefaultService().Socket, "operator socket of the agent (service.socket in its configuration)")
}

func newHealthcheckCommand() *cobra.Command {
	var socket string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running agent whether it makes progress",
		Long: `Ask the running agent, over its operator socket, whether it makes progress. Exit 0
if it does, 1 if it does not or cannot be reached: made for exec probes, which an
image without a shell has no other means for.`,
		Example: "  otelnpd healthcheck --timeout 2s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			client, err := operator.Dial(socket)
			if err != nil {
				return err
			}
			report, err := client.Health(ctx)
			if err != nil {
				return err
			}
			if !report.Healthy {
				return fmt.Errorf("the agent makes no progress: %s", strings.Join(report.Problems(), "; "))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return err
		},
	}
	addSocketFlag(cmd, &socket)
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the answer")
	return cmd
}
