package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/agentlog"
	"github.com/otelnpd/otelnpd/pipeline/capability"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

type runFlags struct {
	config string
	input  string
	output string
	socket string
	state  string
}

func newRunCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch this node and report its problems",
		Long: `Watch this node and report its problems until SIGTERM or SIGINT.

Without --config the built-in default is run, which otelnpd config default prints:
the kernel's log and the kernel rules, the panics of earlier boots, and the checks
of threads, files, memory, disks and links; the console, Prometheus
(127.0.0.1:20257) and status (127.0.0.1:20256) as exporters. Reading /dev/kmsg
needs root or CAP_SYSLOG.

What must survive a restart is kept in service.state_dir. A changed configuration
is taken on while the agent runs: when its files have changed, at SIGHUP, and by
otelnpd reload. One that is wrong changes nothing.

It exits with 0 once it has shut down, and with 1 if it cannot start: a
configuration with errors, another agent on its socket or state directory, or, at a
terminal, no right to read anything. A second signal ends it at once, with 128 and
the signal's number as the shell sees it.

With --input a saved kernel log takes the place of all receivers: the output of
dmesg or of reading /dev/kmsg. It opens no port and no socket, prints to the
console alone, lets time pass as the lines say, and ends at the input's end.`,
		Example: `  otelnpd run
  otelnpd run --config /etc/otelnpd/otelnpd.yaml
  otelnpd run --output json | jq 'select(.kind != "snapshot") | .reason'
  otelnpd run --input saved-dmesg.txt`,
		Args: noFileArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, flags) },
	}
	addConfigFlag(cmd, &flags.config)
	cmd.Flags().StringVarP(&flags.input, "input", "i", "", "saved kernel log to read instead of all receivers; - reads standard input, as in dmesg | otelnpd run --input -")
	cmd.Flags().StringVar(&flags.socket, "socket", "", "operator socket instead of $OTELNPD_SOCKET and service.socket; none opens none")
	cmd.Flags().StringVar(&flags.state, "state-dir", "",
		"directory for what must survive a restart, instead of $OTELNPD_STATE_DIR and service.state_dir; none keeps it in memory")
	addOutputFlag(cmd, &flags.output, outputText, outputJSON)
	cmd.Flags().Lookup("output").Usage += "; without it, what exporters.console says, else text on a terminal and json elsewhere"
	return cmd
}

func run(cmd *cobra.Command, flags runFlags) error {
	how := launch{runFlags: flags, interactive: isTerminal(cmd.ErrOrStderr())}
	if flags.config != "" && flags.config != "-" {
		how.files = []string{flags.config}
		how.load = func() (*config.Config, []string, error) {
			loaded, err := config.Load(flags.config, configFactories())
			if err != nil {
				return nil, nil, err
			}
			overrideOutput(loaded, flags.output)
			return loaded, texts(loaded.Warnings), nil
		}
	}
	how.readAt = time.Now()
	loaded, err := loadConfig(cmd, flags.config)
	if err != nil {
		return err
	}
	how.warnings = texts(loaded.Warnings)
	return runConfig(cmd, loaded, how)
}

// launch says how a configuration is run.
type launch struct {
	runFlags
	// interactive: a person at a terminal started it and sees what it says.
	interactive bool
	// implied: nobody has written the capabilities to keep. They come of flags that say
	// nothing of them.
	implied bool
	// warnings are what is odd about the configuration.
	warnings []string
	// load reads the configuration again; nil: it cannot be read again.
	load loader
	// files are those that it is read from, and that are watched for changes; it was
	// read from readAt on.
	files  []string
	readAt time.Time
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
	level := &slog.LevelVar{}
	level.Set(loaded.Service.Telemetry.Logs.SlogLevel())
	log, err := newLog(cmd.ErrOrStderr(), loaded.Service.Telemetry.Logs, level)
	if err != nil {
		return err
	}
	defer log.Close()
	logger := log.Logger
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("a metric could not be kept", "error", err) }))
	// client-go's own log, of token files for example, is the agent's.
	klog.SetSlogLogger(logger.With("library", "client-go"))
	// So is what libraries tell by the standard log: Google's says in which year it ends.
	stdlog.SetFlags(0)
	stdlog.SetOutput(slog.NewLogLogger(logger.Handler(), slog.LevelDebug).Writer())
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
	return runLive(cmd, loaded, logger, level, how)
}

// runLive watches the node until ctx ends.
func runLive(cmd *cobra.Command, loaded *config.Config, logger *slog.Logger, level *slog.LevelVar, how launch) error {
	if err := keepCapabilities(loaded.Service.Capabilities, logger, how.implied); err != nil {
		return err
	}
	clock := pipeline.SystemClock{}
	boot, err := pipeline.ReadBoot(loaded.Service.Host, clock)
	if err != nil {
		return fmt.Errorf("%w; is service.host.proc (%s) the host's /proc?", err, loaded.Service.Host.Proc)
	}
	node, err := nodeName(loaded.Service.Node)
	if err != nil {
		return err
	}
	dir, chosen := stateDir(how.state, loaded.Service.StateDir)
	if err := config.ValidateStateDir(dir); err != nil {
		return fmt.Errorf("the state directory %w", err)
	}
	options := agentOptions{
		config: loaded, logger: logger, clock: clock, boot: boot, node: node,
		console:     consoleTargetOf(cmd.OutOrStdout()),
		interactive: how.interactive,
		socket:      socketPath(loaded.Service.Socket, how.socket),
		stateDir:    dir, stateDirChosen: chosen,
		warnings: len(how.warnings), load: how.load, level: level,
	}
	watch := newConfigWatch(logger, how.files, loaded, how.readAt)
	defer watch.stop()
	options.reloaded = watch.watch
	return runAgent(cmd.Context(), options, nil, watch.reloads)
}

// keepCapabilities gives up all but these; nil: none. What is only implied must not keep
// the agent from its work: where it is refused, all are kept.
func keepCapabilities(keep []capability.Name, logger *slog.Logger, implied bool) error {
	if keep == nil {
		return nil
	}
	err := capability.Keep(keep)
	switch {
	case err == nil:
		return nil
	case implied:
		logger.Warn("capabilities that are not needed are kept", "error", err,
			"remedy", "let the system calls capset and prctl through the filter (SystemCallFilter=capset in a unit), or start it with fewer capabilities")
		return nil
	default:
		return fmt.Errorf("%w; service.capabilities asks for it: let the system calls capset and prctl through the filter "+
			"(SystemCallFilter=capset in a unit), or leave it out to keep all", err)
	}
}

// runAgent runs an agent until ctx ends or ended is closed. At each word on
// reloads, which tells what has asked for it, it reads its configuration again.
func runAgent(ctx context.Context, options agentOptions, ended <-chan struct{}, reloads <-chan string) error {
	a, err := newAgent(options)
	if err != nil {
		return err
	}
	if err := a.start(ctx); err != nil {
		return joinShutdown(err, a)
	}
	options.logger.Info("otelnpd is running", "version", version, "node", options.node,
		"rules", len(options.config.Conditions.Rules), "conditions", len(options.config.Conditions.Types))
	if err := a.untilEnd(ctx, ended, reloads); err != nil {
		return joinShutdown(err, a)
	}
	if err := a.shutdown(); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

// untilEnd waits until ctx ends or ended is closed. The error is that of a component
// which was not to be without what it has given up.
func (a *agent) untilEnd(ctx context.Context, ended <-chan struct{}, reloads <-chan string) error {
	settled := a.store.Settled()
	var reloaded chan struct{} // closed when the one under way is over; nil: there is none
	for {
		next := reloads
		if reloaded != nil {
			next = nil // one after the other
		}
		select {
		case <-settled:
			// What the configuration and the backlog took is not needed again.
			debug.FreeOSMemory()
			settled = nil
		case who := <-next:
			over := make(chan struct{})
			reloaded = over
			go func() {
				defer close(over)
				_, _ = a.reload(ctx, who) // it has told what came of it
			}()
		case <-reloaded:
			reloaded = nil
		case <-ctx.Done():
			a.logger.Info("shutting down", "within", a.config.Load().Service.ShutdownTimeout.String())
			return nil
		case err := <-a.fatal:
			return err
		case <-ended:
			return nil
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
func newLog(out io.Writer, logs config.Logs, level slog.Leveler) (*agentlog.Log, error) {
	onTerminal := isTerminal(out)
	format := agentlog.Format(logs.Format)
	if logs.Format == config.FormatAuto {
		format = agentlog.FormatJSON
		if onTerminal {
			format = agentlog.FormatText
		}
	}
	log, err := agentlog.New(agentlog.Config{
		Output: out, Format: format, Level: level,
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
