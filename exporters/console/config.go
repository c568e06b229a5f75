package console

import (
	"errors"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Config is the configuration of the console exporter.
type Config struct {
	// Output is how records are written; `auto`: text on a terminal, else JSON lines.
	Output Output `yaml:"output"`
	// Color says when text has colours; `auto`: on a terminal, unless the environment
	// has NO_COLOR or TERM=dumb. It is for text.
	Color Color `yaml:"color"`
}

// Output is how records are written.
type Output string

// The outputs.
const (
	OutputAuto Output = "auto"
	OutputText Output = "text"
	OutputJSON Output = "json"
)

// Words are the outputs that there are.
func (Output) Words() []string {
	return []string{string(OutputAuto), string(OutputText), string(OutputJSON)}
}

// Color says when text has colours.
type Color string

// The choices of colour.
const (
	ColorAuto   Color = "auto"
	ColorAlways Color = "always"
	ColorNever  Color = "never"
)

// Words are the choices that there are.
func (Color) Words() []string {
	return []string{string(ColorAuto), string(ColorAlways), string(ColorNever)}
}

// DefaultConfig looks at where the output goes.
func DefaultConfig() *Config { return &Config{Output: OutputAuto, Color: ColorAuto} }

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	return errors.Join(
		pipeline.At("output", pipeline.CheckWord(c.Output)),
		pipeline.At("color", pipeline.CheckWord(c.Color)),
	)
}
