package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline/operator"
)

// agentFlags say which agent to ask, and for how long.
type agentFlags struct {
	socket  string
	timeout time.Duration
}

// answerTimeout is how long an agent may take for what it has at hand.
const answerTimeout = 5 * time.Second

func (f *agentFlags) add(cmd *cobra.Command, timeout time.Duration) {
	cmd.Flags().StringVar(&f.socket, "socket", cmp.Or(os.Getenv(socketVariable), config.DefaultService().Socket),
		"operator socket of the agent ($OTELNPD_SOCKET, else service.socket in its configuration); "+
			"the default is also looked for in $OTELNPD_STATE_DIR or "+config.DefaultStateDir)
	cmd.Flags().DurationVar(&f.timeout, "timeout", timeout, "how long to wait for the answer")
}

// ask lets one ask the agent, for as long as the flags say.
func (f *agentFlags) ask(ctx context.Context, question func(context.Context, *operator.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	client, err := operator.Dial(socketPaths(f.socket)...)
	if err != nil {
		return err
	}
	err = question(ctx, client)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: the agent has not answered within %s; it may be stopped or hang", err, f.timeout)
	}
	return err
}

// completionLimit is how long a shell waits for words to offer.
const completionLimit = time.Second

// askForWords lets one ask the agent for what a shell offers. Who has no agent to
// ask, or one that does not answer, gets no words and no error either.
func (f *agentFlags) askForWords(ctx context.Context, question func(context.Context, *operator.Client) error) {
	hurried := agentFlags{socket: f.socket, timeout: min(f.timeout, completionLimit)}
	_ = hurried.ask(ctx, question)
}

func newHealthcheckCommand() *cobra.Command {
	var flags agentFlags
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running agent whether it makes progress",
		Long: `Ask the running agent, over its operator socket, whether it makes progress. Exit 0
if it does, 1 if it does not or cannot be reached: made for exec probes, which an
image without a shell has no other means for.`,
		Example: "  otelnpd healthcheck --timeout 2s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.ask(cmd.Context(), func(ctx context.Context, client *operator.Client) error {
				report, err := client.Health(ctx)
				if err != nil {
					return err
				}
				if !report.Healthy {
					return fmt.Errorf("the agent makes no progress: %s", strings.Join(report.Problems(), "; "))
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "ok")
				return err
			})
		},
	}
	flags.add(cmd, answerTimeout)
	return cmd
}
