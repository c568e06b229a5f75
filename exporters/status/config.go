package status

import (
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
)

// Config is the configuration of the status page.
type Config struct {
	// Endpoint is where to listen, HOST:PORT; an empty host stands for all addresses,
	// port 0 for any free port.
	Endpoint string `yaml:"endpoint"`
	// Pprof serves Go's profiles below /debug/pprof/; they show the agent's memory to
	// whoever can connect.
	Pprof bool `yaml:"pprof"`
	// StallLimit is how long one batch may be under way in a pipeline before /healthz
	// says that the process makes no progress; 1s or more.
	StallLimit time.Duration `yaml:"stall_limit"`
}

// DefaultConfig listens where node-problem-detector does.
func DefaultConfig() *Config {
	return &Config{Endpoint: "127.0.0.1:20256", StallLimit: time.Minute}
}

// minStallLimit keeps a slow moment of a busy node from being taken for a
// standstill.
const minStallLimit = time.Second

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var stall error
	if c.StallLimit < minStallLimit {
		stall = fmt.Errorf("%s is too short: write %s or more, for example 60s", c.StallLimit, minStallLimit)
	}
	return errors.Join(
		pipeline.At("endpoint", httpserve.ValidateEndpoint(c.Endpoint)),
		pipeline.At("stall_limit", stall),
	)
}

// Exclusive names the endpoint: only one exporter can listen there.
func (c *Config) Exclusive() string { return httpserve.Claim(c.Endpoint) }
