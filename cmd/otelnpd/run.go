package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/agentlog"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

type runFlags struct {
	config string
	input  string
	output string
	socket string
}

func newRunCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch this node and report its problems",
		Long: `Watch this node and report its problems until SIGTERM or SIGINT.

Without --config the built-in default is run: the kernel's log, the kernel rules,
and the console, Prometheus (127.0.0.1:20257) and status (127.0.0.1:20256) as
exporters. Reading /dev/kmsg needs root or CAP_SYSLOG.

With --input a saved kernel log takes the place of all receivers: the output of
dmesg or of reading /dev/kmsg. It opens no port and no socket, prints to the
console alone, lets time pass as the lines say, and ends at the input's end.`,
		Example: `  otelnpd run
  otelnpd run --config /etc/otelnpd/otelnpd.yaml
  otelnpd run --output json | jq 'select(.kind != "snapshot") | .reason'
  dmesg | otelnpd run --input -`,
		Args: noFileArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, flags) },
	}
	addConfigFlag(cmd, &flags.config)
	cmd.Flags().StringVarP(&flags.input, "input", "i", "", "saved kernel log to read instead of all receivers; - reads standard input")
	cmd.Flags().StringVar(&flags.socket, "socket", "", "operator socket instead of $OTELNPD_SOCKET and service.socket; none opens none")
	addOutputFlag(cmd, &flags.output, outputText, outputJSON)
	return cmd
}

func run(cmd *cobra.Command, flags runFlags) error {
	loaded, err := loadConfig(cmd, flags.config)
	if err != nil {
		return err
	}
	return runConfig(cmd, loaded, launch{runFlags: flags, interactive: isTerminal(cmd.ErrOrStderr()), warnings: texts(loaded.Warnings)})
}

// launch says how a configuration is run.
type launch struct {
	runFlags
	// interactive: a person at a terminal started it and sees what it says.
	interactive bool
	// warnings are what is odd about the configuration.
	warnings []string
}

func texts(warnings strictyaml.Errors) []string {
	var list []string
	for _, warning := range warnings {
		list = append(list, warning.Error())
	}
	return list
}

// runConfig runs a configuration until a signal comes, or until its saved log
// ends.
func runConfig(cmd *cobra.Command, loaded *config.Config, how launch) error {
	log, err := newLog(cmd.ErrOrStderr(), loaded.Service.Telemetry.Logs)
	if err != nil {
		return err
	}
	defer log.Close()
	logger := log.Logger
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("a metric could not be kept", "error", err) }))
	// client-go's own log, of token files for example, is the agent's.
	klog.SetSlogLogger(logger.With("library", "client-go"))
	for _, warning := range how.warnings {
		logger.Warn(warning)
	}
	overrideOutput(loaded, how.output)
	// Until here a signal ends the process as ever: reading a file can hang.
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the default action is back: a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	cmd.SetContext(ctx)
	if how.input != "" {
		return runInput(cmd, loaded, logger, how.input)
	}
	return runLive(cmd, loaded, logger, how)
}

// runLive watches the node until ctx ends.
func runLive(cmd *cobra.Command, loaded *config.Config, logger *slog.Logger, how launch) error {
	clock := pipeline.SystemClock{}
	boot, err := pipeline.ReadBoot(loaded.Service.Host, clock)
	if err != nil {
		return fmt.Errorf("%w; is service.host.proc (%s) the host's /proc?", err, loaded.Service.Host.Proc)
	}
	node, err := nodeName(loaded.Service.Node)
	if err != nil {
		return err
	}
	options := agentOptions{
		config: loaded, logger: logger, clock: clock, boot: boot, node: node,
		console:     consoleTargetOf(cmd.OutOrStdout()),
		interactive: how.interactive,
		socket:      socketPath(loaded.Service.Socket, how.socket),
		warnings:    len(how.warnings),
	}
	return runAgent(cmd.Context(), options, nil)
}

// runAgent runs an agent until ctx ends or ended is closed.
func runAgent(ctx context.Context, options agentOptions, ended <-chan struct{}) error {
	a, err := newAgent(options)
	if err != nil {
		return err
	}
	if err := a.start(ctx); err != nil {
		return joinShutdown(err, a)
	}
	options.logger.Info("otelnpd is running", "version", version, "node", options.node,
		"rules", len(options.config.Conditions.Rules), "conditions", len(options.config.Conditions.Types))
	a.untilEnd(ctx, ended)
	if err := a.shutdown(); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

// untilEnd waits until ctx ends or ended is closed.
func (a *agent) untilEnd(ctx context.Context, ended <-chan struct{}) {
	settled := a.store.Settled()
	for {
		select {
		case <-settled:
			// What the configuration and the backlog took is not needed again.
			debug.FreeOSMemory()
			settled = nil
		case <-ctx.Done():
			a.logger.Info("shutting down", "within", a.options.config.Service.ShutdownTimeout.String())
			return
		case <-ended:
			return
		}
	}
}

func joinShutdown(cause error, a *agent) error {
	if err := a.shutdown(); err != nil {
		return fmt.Errorf("%w (and shutting down: %w)", cause, err)
	}
	return cause
}

// newLog makes the agent's own log, as the configuration says.
func newLog(out io.Writer, logs config.Logs) (*agentlog.Log, error) {
	onTerminal := isTerminal(out)
	format := agentlog.Format(logs.Format)
	if logs.Format == config.FormatAuto {
		format = agentlog.FormatJSON
		if onTerminal {
			format = agentlog.FormatText
		}
	}
	log, err := agentlog.New(agentlog.Config{
		Output: out, Format: format, Level: logs.SlogLevel(),
		Color: onTerminal && os.Getenv("NO_COLOR") == "",
	})
	if err != nil {
		return nil, fmt.Errorf("make the agent's log: %w", err)
	}
	return log, nil
}

// overrideOutput sets the output form of every console exporter.
func overrideOutput(loaded *config.Config, output string) {
	if output == "" {
		return
	}
	for _, exporter := range loaded.Graph.Exporters {
		if own, ok := exporter.(*console.Config); ok {
			own.Output = console.Output(output)
		}
	}
}

// socketVariable is the environment's word on the operator socket: flag over
// environment over file.
const socketVariable = "OTELNPD_SOCKET"

// socketPath is where the operator socket is to be; empty: nowhere.
func socketPath(configured, flag string) string {
	path := cmp.Or(flag, os.Getenv(socketVariable), configured)
	if path == config.SocketNone {
		return ""
	}
	return path
}

// consoleTarget is where the console exporter writes.
type consoleTarget struct {
	writer   io.Writer
	terminal bool
	options  []console.Option
}

func consoleTargetOf(out io.Writer, options ...console.Option) consoleTarget {
	return consoleTarget{writer: out, terminal: isTerminal(out), options: options}
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
