// Package console writes problems and condition transitions to the standard
// output, for a person at a terminal or a program that reads JSON lines.
package console

import (
	"errors"
	"io"
	"os"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the exporter's type in the configuration.
const Type = "console"

// NewFactory returns the factory of exporters that write to out. terminal tells
// whether a person looks at it.
//
// Where out is os.Stdout, main must ask for SIGPIPE (signal.Notify, not
// signal.Ignore, which child processes would inherit): else Go ends the process
// when the reader of the pipe goes away, instead of returning EPIPE.
func NewFactory(out io.Writer, terminal bool, options ...Option) pipeline.ExporterFactory {
	var shared output // of an exporter and its successors
	if out != nil {
		shared = newOutput(out)
	}
	return pipeline.ExporterFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config) (pipeline.Exporter, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindExporter, Type)
			if err != nil {
				return nil, err
			}
			if shared == nil {
				return nil, errors.New("the console has no output")
			}
			exporter, err := newExporter(settings, newFormat(own, terminal), shared)
			if err != nil {
				return nil, err
			}
			for _, option := range options {
				option(exporter)
			}
			return exporter, nil
		},
	}
}

// Option changes exporters in what is not for the configuration to say.
type Option func(*exporter)

// WaitForOutput makes exporters wait for an output that is slower than they are,
// instead of dropping records: for a saved log, whose reader can wait and whose
// output a person may page through. A node's own log cannot wait.
func WaitForOutput() Option { return func(e *exporter) { e.patient = true } }

// format is how records are written.
type format struct {
	name Output // text or json
	// line makes a line of a record, newline included; nil leaves it out.
	line func(record *pipeline.Record) []byte
}

func newFormat(config *Config, terminal bool) format {
	if config.Output == OutputJSON || (config.Output == OutputAuto && !terminal) {
		return format{OutputJSON, jsonLine}
	}
	return format{OutputText, textFormat{color: wantsColor(config.Color, terminal)}.line}
}

// wantsColor decides auto by the terminal and the environment: NO_COLOR
// (no-color.org) that is not empty, and TERM=dumb, are without.
func wantsColor(color Color, terminal bool) bool {
	if color != ColorAuto {
		return color == ColorAlways
	}
	return terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
