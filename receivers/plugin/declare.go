package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

var _ condition.Declarer = (*Config)(nil)

// Declare returns the rules that judge the checks.
func (c *Config) Declare() condition.Declarations {
	var declared condition.Declarations
	for i := range c.Checks {
		declared.Rules = append(declared.Rules, condition.DeclaredRule{Rule: c.rule(&c.Checks[i]), Path: fmt.Sprintf("checks[%d]", i)})
	}
	return declared
}

// rule is what judges a check. All that may change what it says identifies it.
func (c *Config) rule(one *Check) condition.Rule {
	rule := one.Declaration.Rule(one.ID, []any{
		one.Path, one.Args, one.Environment, c.interval(one), c.timeout(one), one.ExitCodes, one.Output,
		one.User, one.Group, one.Limits, one.UnknownIsProblem, one.UnknownReason, c.Compatibility,
	})
	rule.HasInstances = one.Output == outputJSON
	rule.Once = c.Compatibility != compatibleNPD
	return rule
}

func (c *Config) interval(one *Check) time.Duration {
	if one.Interval != 0 {
		return one.Interval
	}
	return c.Interval
}

func (c *Config) timeout(one *Check) time.Duration {
	if one.Timeout != 0 {
		return one.Timeout
	}
	return c.Timeout
}

// Warnings tells of commands that are not there. They may come with a mount.
func (c *Config) Warnings() []error {
	var odd []error
	if len(c.Checks) == 0 {
		odd = append(odd, pipeline.At("checks", errors.New("is empty: nothing is run")))
	}
	for i := range c.Checks {
		one, key := &c.Checks[i], fmt.Sprintf("checks[%d]", i)
		if fault := pathFault(one.Path); fault != "" && c.Compatibility != compatibleNPD { // its files are told of with line and column
			odd = append(odd, pipeline.At(key+".path", fmt.Errorf("%.200q %s: until it can be run its verdict is unknown", one.Path, fault)))
		}
		if c.timeout(one) > c.interval(one) {
			odd = append(odd, pipeline.At(key, fmt.Errorf("the timeout of %s is longer than the interval of %s: a run that is not over lets the next one be skipped",
				c.timeout(one), c.interval(one))))
		}
	}
	return odd
}

// pathFault says why a path cannot be run here; empty: it can, or nobody knows.
func pathFault(path string) string {
	info, err := os.Stat(filepath.Join("/", path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if command, _, more := strings.Cut(path, " "); more && pathFault(command) == "" {
			return "does not exist here (write what follows " + command + " in args)"
		}
		return "does not exist here"
	case err != nil:
		return ""
	case info.IsDir():
		return "is a folder"
	case info.Mode()&0o111 == 0:
		return "is not executable (chmod +x)"
	default:
		return ""
	}
}
