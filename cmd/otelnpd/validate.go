package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
)

func newValidateCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "validate --config FILE",
		Short: "Check a configuration file",
		Long: `Check a configuration file, all rule packs that it names and the files that
exporters read (web_config_file). Every error is printed with its file, line and
column; rules run their own tests. Exit 1 if there is an error; warnings leave it
at 0, as does a file of an exporter that is not on this machine.`,
		Example: "  otelnpd validate --config otelnpd.yaml\n  otelnpd config default | otelnpd validate --config -",
		Args:    noFileArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd, path, config.CheckFiles())
			if err != nil {
				return err
			}
			for _, warning := range loaded.Warnings {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", warning.Error())
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid (pipelines: %d, rules: %d, conditions: %d)\n",
				displayName(path), len(loaded.Graph.Pipelines), len(loaded.Conditions.Rules), len(loaded.Conditions.Types))
			return err
		},
	}
	addConfigFlag(cmd, &path)
	_ = cmd.MarkFlagRequired("config") // the flag exists
	return cmd
}

// noFileArgs refuses arguments: who writes one mostly means the configuration.
func noFileArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is too much: write --config %s if that is the configuration; %s --help shows all", args[0], args[0], cmd.CommandPath())
	}
	return nil
}

func addConfigFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration file, YAML; - reads standard input")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // the flag exists
}

// loadConfig reads the file, standard input for "-", or the built-in default
// for "". What is wrong with it has been told when it returns errTold.
func loadConfig(cmd *cobra.Command, path string, options ...config.Option) (*config.Config, error) {
	if path == "" && cmd.Flags().Changed("config") {
		return nil, errors.New("--config is empty: write a file's path, or leave the flag out for the built-in default")
	}
	factories := configFactories()
	var loaded *config.Config
	var err error
	switch path {
	case "":
		loaded, err = config.Parse(config.Default(), displayName(path), factories, options...)
	case "-":
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxConfigBytes)); err != nil {
			return nil, fmt.Errorf("read the configuration from standard input: %w", err)
		}
		loaded, err = config.Parse(data, displayName(path), factories, options...)
	default:
		loaded, err = config.Load(path, factories, options...)
	}
	var unread *fs.PathError
	if errors.As(err, &unread) && unread.Path == path {
		return nil, fmt.Errorf("%w: name a file that this user may read; otelnpd config default prints one to begin with", err)
	}
	if err != nil {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), err)
		if filepath.Ext(path) == ".json" {
			return nil, fmt.Errorf("%s cannot be used: mend what is named above and try again; if it is a file of node-problem-detector, see otelnpd config convert --help", path)
		}
		return nil, fmt.Errorf("%s cannot be used: mend what is named above and try again", displayName(path))
	}
	return loaded, nil
}

// maxConfigBytes is one more than config.Parse takes, so that a longer one is
// refused there with its message.
const maxConfigBytes = 1<<20 + 1

func displayName(path string) string {
	switch path {
	case "":
		return "(built-in default)"
	case "-":
		return "(standard input)"
	default:
		return path
	}
}
