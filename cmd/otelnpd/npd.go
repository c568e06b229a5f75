package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/npd"
)

// npdName is what node-problem-detector's binary is called: called so, this one
// takes its command line.
const npdName = "node-problem-detector"

// convertedName is what errors call a configuration made from a command line.
const convertedName = "(converted configuration)"

func newNPDCommand() *cobra.Command {
	return &cobra.Command{
		Use:   npdName + " [FLAGS]",
		Short: "Run as node-problem-detector, with its flags and JSON files",
		Long: `Run as node-problem-detector, with its flags and its JSON files, until SIGTERM or
SIGINT. A binary or link that is called node-problem-detector does the same by
itself. ` + "`otelnpd config convert -- FLAGS`" + ` prints the YAML of the same.`,
		Example: "  otelnpd node-problem-detector --config.system-log-monitor=/config/kernel-monitor.json",
		// Its flags are not this program's: -v takes a number, for example.
		DisableFlagParsing: true,
		RunE:               runNPD,
	}
}

// parseNPD reads a command line for what is built into this program.
func parseNPD(args []string) (*npd.Options, error) {
	options, err := npd.Parse(args)
	if err == nil {
		options.WithoutGoogleCloud = !hasGoogleCloud
	}
	return options, err
}

func runNPD(cmd *cobra.Command, args []string) error {
	options, err := parseNPD(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nFlags:\n%s", cmd.Long, npd.Flags(&npd.Options{}).FlagUsages())
		return err
	case err != nil:
		return tellBad(cmd, err, "the command line")
	case options.Version:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "otelnpd %s, in place of node-problem-detector\n", version)
		return err
	}
	load := func() (*config.Config, []string, error) { return loadNPD(options) }
	loaded, warnings, err := load()
	if err != nil {
		return tellBad(cmd, err, "the command line")
	}
	// As node-problem-detector, it does not look out for changed files: who changes
	// them asks for a reload.
	return runConfig(cmd, loaded, launch{implied: true, warnings: warnings, load: load})
}

// loadNPD reads the files of a command line.
func loadNPD(options *npd.Options) (*config.Config, []string, error) {
	made, err := options.Convert(npd.ForRunning)
	if err != nil {
		return nil, nil, err
	}
	loaded, err := config.Parse(made.YAML, convertedName, configFactories(), config.AllowReserved())
	if err != nil {
		return nil, nil, fmt.Errorf("the command line, as it was converted: %w", err)
	}
	// The warnings of the YAML repeat those of the files, at places that nobody sees.
	return loaded, warningsOf(made), nil
}

// tellBad prints all that is wrong, and returns the error that says so.
func tellBad(cmd *cobra.Command, err error, what string) error {
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), err)
	return fmt.Errorf("%s cannot be used: mend what is named above and try again", what)
}

func warningsOf(made *npd.Conversion) []string {
	var list []string
	for _, warning := range made.Warnings {
		list = append(list, warning.String())
	}
	return list
}

func newConvertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "convert -- FLAGS",
		Short: "Print the YAML of a command line of node-problem-detector",
		Long: `Print the YAML configuration that does what node-problem-detector does with FLAGS
and the JSON files that they name. What YAML cannot carry, and what is odd in the
files, is told on standard error.`,
		Example: "  otelnpd config convert -- --config.system-log-monitor=/config/kernel-monitor.json > otelnpd.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() > 0 {
				return errFlagsAfterDashes
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return convert(cmd, args) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", err, errFlagsAfterDashes) })
	return cmd
}

// errFlagsAfterDashes is the error of flags that are missing or stand elsewhere.
var errFlagsAfterDashes = errors.New("write node-problem-detector's flags after --")

func convert(cmd *cobra.Command, args []string) error {
	options, err := parseNPD(args)
	if errors.Is(err, pflag.ErrHelp) {
		return cmd.Help()
	}
	if err != nil {
		return tellBad(cmd, err, "the command line")
	}
	if options.Version {
		return errors.New("--version prints a version and runs nothing: leave it out")
	}
	made, err := options.Convert(npd.ForPrinting)
	if err != nil {
		return tellBad(cmd, err, "the command line")
	}
	for _, warning := range warningsOf(made) {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", warning)
	}
	for _, text := range made.NotCarried {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Not carried over:", text)
	}
	_, err = cmd.OutOrStdout().Write(made.YAML)
	return err
}
