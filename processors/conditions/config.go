package conditions

import "github.com/otelnpd/otelnpd/pipeline"

// Config is the configuration of the conditions processor: there is nothing to
// set. Conditions are declared beside the pipelines.
type Config struct{}

var _ pipeline.Config = (*Config)(nil)

// DefaultConfig returns the configuration.
func DefaultConfig() *Config { return &Config{} }

// Validate finds nothing wrong.
func (*Config) Validate() error { return nil }
