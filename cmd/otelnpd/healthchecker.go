package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/otelnpd/otelnpd/npd/healthchecker"
)

func newHealthCheckerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   healthchecker.Name + " [FLAGS]",
		Short: "Ask how the kubelet or a container runtime does, as node-problem-detector's plugin",
		Long: `Ask once how the kubelet, kube-proxy, docker or a container runtime does, as
node-problem-detector's plugin health-checker. A binary or link that is called
health-checker does the same by itself. Exit 0 if it is healthy, 1 if it is not, 2 with
the reason if that cannot be known. Where it is not healthy and has been up for longer
than --cooldown-time, systemd is told to end its main process, unless
--enable-repair=false: this needs root and the system bus.

The environment variables HOST_ADDRESS, KUBELET_PORT and KUBEPROXY_PORT change where
the kubelet and kube-proxy are asked.`,
		Example: `  otelnpd health-checker --component=kubelet --enable-repair=false
  otelnpd health-checker --component=cri --service=crio --enable-repair=false \
    --cri-socket-path=unix:///run/crio/crio.sock`,
		// Its flags are not this program's: -v takes a number, for example.
		DisableFlagParsing: true,
		RunE:               runHealthChecker,
	}
}

// runHealthChecker tells what is wrong on standard output: of a plugin that is what is
// shown.
func runHealthChecker(cmd *cobra.Command, args []string) error {
	options, err := healthchecker.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nExamples:\n%s\n\nFlags:\n%s", cmd.Long, cmd.Example, healthchecker.Flags().FlagUsages())
		return err
	case err != nil:
		return tellUnknown(cmd, err)
	}
	for _, argument := range options.Arguments {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %q is no flag and has no effect: leave it out\n", argument)
	}
	result, err := healthchecker.Check(cmd.Context(), options, healthchecker.System())
	switch {
	case err != nil:
		return tellUnknown(cmd, fmt.Errorf("error checking %s health: %w", options.Component, err))
	case result.Unhealthy == nil:
		return nil
	}
	// The words are node-problem-detector's. Why goes where its own log does.
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), result.Unhealthy)
	for _, note := range result.Notes {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), note)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s:%s was found unhealthy; repair flag : %t\n", options.Component, options.Service, options.EnableRepair)
	return errors.Join(err, pluginNotOK)
}
