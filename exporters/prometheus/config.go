package prometheus

import (
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
)

// Config is the configuration of the Prometheus exporter.
type Config struct {
	// Endpoint is where to listen, HOST:PORT; an empty host stands for all addresses,
	// port 0 for any free port.
	Endpoint string `yaml:"endpoint"`
}

// DefaultConfig listens where node-problem-detector does.
func DefaultConfig() *Config { return &Config{Endpoint: "127.0.0.1:20257"} }

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	return pipeline.At("endpoint", httpserve.ValidateEndpoint(c.Endpoint))
}

// Exclusive names the endpoint: only one exporter can listen there.
func (c *Config) Exclusive() string { return httpserve.Claim(c.Endpoint) }
