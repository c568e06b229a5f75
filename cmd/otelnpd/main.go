// Command otelnpd watches a node for problems and reports them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/npd/healthchecker"
	"github.com/otelnpd/otelnpd/npd/logcounter"
)

func main() {
	// With SIGPIPE asked for, a reader of our output that goes away is an error of
	// the console, not the end of the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// What lives is small and garbage is rare: half the room costs no time worth
	// naming. The environment's GOGC goes first.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	os.Exit(execute(context.Background(), arguments(os.Args), os.Stdin, os.Stdout, os.Stderr))
}

// arguments are those of this program, which under the name of
// node-problem-detector or of a plugin of it has that one's.
func arguments(args []string) []string {
	if name := filepath.Base(args[0]); name == npdName || name == logcounter.Name || name == healthchecker.Name {
		return append([]string{name}, args[1:]...)
	}
	return args[1:]
}

// execute runs a command line and returns the exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	refuseUnknownCommands(root)
	if err := root.ExecuteContext(ctx); err != nil {
		if code, ok := errors.AsType[exitCode](err); ok {
			return int(code)
		}
		if !errors.Is(err, errTold) {
			_, _ = fmt.Fprintln(stderr, "Error:", err)
		}
		return 1
	}
	return 0
}

// errTold is the error of a command that has already told the user all.
var errTold = errors.New("told already")

// exitCode is the error of a command that has told all, and whose exit code says more
// than whether it could do what it was told.
type exitCode int

// Error implements error.
func (e exitCode) Error() string { return "exit code " + strconv.Itoa(int(e)) }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "otelnpd",
		Short: "Watch a node for problems and report them",
		Long: `otelnpd watches one Linux node for problems (kernel, storage, memory, hardware,
services), measures it, and tells everybody who should know: Kubernetes, an
OpenTelemetry Collector, Prometheus, Google Cloud Monitoring, the console, and who
asks its status page. It can take the place of node-problem-detector.

It reads from receivers, judges by rules and conditions, and reports by
exporters, all wired by one YAML file. Without a file it runs a built-in default
configuration on the kernel's log, what the node runs short of, and its figures.

Every command exits with 0 if it has done what it was told, and with 1 and a
message on standard error if not; where there is more to it, its --help says so.`,
		Example: `  # Watch this node and print its problems
  otelnpd run

  # Try it on a saved kernel log, anywhere, without root
  otelnpd run --input saved-dmesg.txt

  # Start from the default configuration
  otelnpd config default > otelnpd.yaml
  otelnpd validate --config otelnpd.yaml
  otelnpd run --config otelnpd.yaml`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newRunCommand(),
		newValidateCommand(),
		newConfigCommand(),
		newConditionsCommand(),
		newRulesCommand(),
		newReloadCommand(),
		newHealthcheckCommand(),
		newNPDCommand(),
		newLogCounterCommand(),
		newPluginCommand(),
		newHealthCheckerCommand(),
		newStateCommand(),
		newUninstallCommand(),
		newVersionCommand(),
	)
	return root
}
