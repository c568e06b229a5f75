package kmsg

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// Config is the configuration of a kmsg receiver.
type Config struct {
	// Path of the kernel's log, below `service.host.root`; a file or FIFO that holds
	// records of one works too.
	Path string `yaml:"path"`
	// Lookback says how far to read back at start: `boot` (all that the kernel still
	// has), a time (`10m`), `now` or `0` (what is written from now on, decided by
	// sequence number).
	Lookback pipeline.Lookback `yaml:"lookback"`
	// Delay is how long after the boot lines are skipped.
	Delay time.Duration `yaml:"delay"`
	// Facilities to take; none: all. `[kern]` keeps out what processes have written to
	// /dev/kmsg.
	Facilities []Facility `yaml:"facilities"`
	// MinSeverity is the least grave severity to take: `warning` takes `emerg` to
	// `warning`; empty: all.
	MinSeverity Severity `yaml:"min_severity"`
}

const defaultPath = "/dev/kmsg"

// DefaultConfig reads all of this boot from /dev/kmsg.
func DefaultConfig() *Config {
	return &Config{Path: defaultPath, Lookback: pipeline.LookbackBoot}
}

// takesAll tells whether no record of this boot is left out.
func (c *Config) takesAll() bool { return c.Lookback == pipeline.LookbackBoot && c.leavesNothingOut() }

// leavesNothingOut tells whether all records are passed on that the lookback
// reaches.
func (c *Config) leavesNothingOut() bool {
	return c.Delay == 0 && len(c.Facilities) == 0 && c.MinSeverity == ""
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if !filepath.IsAbs(c.Path) {
		errs = append(errs, pipeline.At("path", fmt.Errorf("%q is no absolute path: write for example /dev/kmsg", c.Path)))
	}
	errs = append(errs, pipeline.At("lookback", c.Lookback.Check()))
	if c.Delay < 0 {
		errs = append(errs, pipeline.At("delay", fmt.Errorf("%s is negative: write 0 or a time like 5m", c.Delay)))
	}
	for i, name := range c.Facilities {
		if _, ok := source.ParseFacility(string(name)); !ok {
			errs = append(errs, pipeline.At(fmt.Sprintf("facilities[%d]", i),
				fmt.Errorf("%q is no facility: write one of %s", name, strings.Join(source.FacilityNames(), ", "))))
		}
	}
	if _, ok := source.ParseSeverity(string(c.MinSeverity)); !ok && c.MinSeverity != "" {
		errs = append(errs, pipeline.At("min_severity",
			fmt.Errorf("%q is no severity: write one of %s", c.MinSeverity, strings.Join(source.SeverityNames(), ", "))))
	}
	return errors.Join(errs...)
}

// Facility is the keyword of a facility of syslog.
type Facility string

// Words are the facilities that there are.
func (Facility) Words() []string { return source.FacilityNames() }

// Severity is a keyword of a severity of syslog, or empty.
type Severity string

// Words are the severities that there are, the gravest first, and other words for
// some of them.
func (Severity) Words() []string {
	return slices.Concat([]string{""}, source.SeverityNames(), source.SeverityAliases())
}
