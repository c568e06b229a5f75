package sample

import (
	"errors"
	"fmt"
	"math"
	"regexp"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Config is the configuration of the sample processor. By default every line passes.
type Config struct {
	// Ratio is how large a part of the lines passes, from 0 to 1. A line's place
	// decides, so that a line read again fares as before, and the lines of a smaller
	// ratio are among those of a larger one.
	Ratio float64 `yaml:"ratio"`
	// MinSeverity is the least grave severity that passes; empty: any. Lines whose
	// source tells no severity pass.
	MinSeverity condition.SeverityWord `yaml:"min_severity"`
	// Include is a regular expression (RE2) that is to match somewhere in a line; empty:
	// any line passes.
	Include string `yaml:"include"`
	// Rate is how many lines a second pass of each source (a kernel's log, a journal, a
	// file), over some time; 0: as many as come.
	Rate float64 `yaml:"rate"`
	// Burst is how many lines pass at once of a source that was silent before; 0: those
	// of one second.
	Burst int `yaml:"burst"`
}

const (
	maxRate  = 1e6
	maxBurst = 1_000_000
)

// DefaultConfig lets every line pass.
func DefaultConfig() *Config { return &Config{Ratio: 1} }

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if !(c.Ratio >= 0 && c.Ratio <= 1) { // nor a NaN
		errs = append(errs, pipeline.At("ratio", fmt.Errorf("%v is no part: write a number from 0 to 1", c.Ratio)))
	}
	errs = append(errs, pipeline.At("min_severity", c.MinSeverity.Validate()))
	if _, err := regexp.Compile(c.Include); err != nil {
		errs = append(errs, pipeline.At("include", fmt.Errorf("%w: write a regular expression as RE2 has it", err)))
	}
	if !(c.Rate >= 0 && c.Rate <= maxRate) { // nor a NaN
		errs = append(errs, pipeline.At("rate", fmt.Errorf("%v is out of bounds: write lines a second, from 0 (no limit) to %d", c.Rate, int(maxRate))))
	}
	switch {
	case c.Burst < 0 || c.Burst > maxBurst:
		errs = append(errs, pipeline.At("burst", fmt.Errorf("%d is out of bounds: write a number of lines from 0 to %d", c.Burst, maxBurst)))
	case c.Burst > 0 && c.Rate == 0:
		errs = append(errs, pipeline.At("burst", errors.New("is of no use without a rate: set rate, or remove it")))
	}
	return errors.Join(errs...)
}

// burst is how many lines pass at once.
func (c *Config) burst() float64 {
	if c.Burst > 0 {
		return float64(c.Burst)
	}
	return math.Max(1, c.Rate)
}
