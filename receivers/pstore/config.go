package pstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Config is the configuration of a pstore receiver.
type Config struct {
	// Path of the directory in which the kernel shows what it has saved of earlier
	// boots, below `service.host.sys`.
	Path string `yaml:"path"`
	// Archive is the directory that systemd-pstore moves it to, below
	// `service.host.root`; empty: none is read.
	Archive string `yaml:"archive"`
	// MaxAge is how long before this boot a dump may have been saved: older ones are
	// left out; 1m or more.
	MaxAge time.Duration `yaml:"max_age"`
	// Remove takes the dumps that have been told away from `path`, so that the kernel has
	// room for the next, once it is on disk that they were told; never from the archive.
	Remove bool `yaml:"remove"`
}

// minMaxAge is the shortest time that MaxAge may be: a reboot takes that long.
const minMaxAge = time.Minute

// DefaultConfig reads the kernel's directory and systemd's, a week back.
func DefaultConfig() *Config {
	return &Config{Path: "/fs/pstore", Archive: "/var/lib/systemd/pstore", MaxAge: 7 * 24 * time.Hour}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if !filepath.IsAbs(c.Path) {
		errs = append(errs, pipeline.At("path", fmt.Errorf("%q is no absolute path: write for example /fs/pstore, which is below /sys", c.Path)))
	}
	if c.Archive != "" && !filepath.IsAbs(c.Archive) {
		errs = append(errs, pipeline.At("archive", fmt.Errorf("%q is no absolute path: write for example /var/lib/systemd/pstore, or '' for none", c.Archive)))
	}
	if c.MaxAge < minMaxAge {
		errs = append(errs, pipeline.At("max_age", fmt.Errorf("%s is too short: write at least %s, for example 168h", c.MaxAge, minMaxAge)))
	}
	return errors.Join(errs...)
}
