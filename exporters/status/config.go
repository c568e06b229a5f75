package status

import (
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
	"github.com/otelnpd/otelnpd/pipeline/httpserve/webconfig"
)

// Config is the configuration of the status page.
type Config struct {
	// Endpoint is where to listen, HOST:PORT; an empty host stands for all addresses,
	// port 0 for any free port.
	Endpoint string `yaml:"endpoint"`
	// WebConfigFile is the path of a web configuration file as all of Prometheus' exporters
	// know it, with tls_server_config and basic_auth_users; relative paths in it begin at
	// its directory. Without one everybody who can connect is served, in the clear.
	WebConfigFile string `yaml:"web_config_file"`
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
		pipeline.At("web_config_file", webconfig.Validate(c.WebConfigFile)),
		pipeline.At("stall_limit", stall),
	)
}

// Exclusive names the endpoint: only one exporter can listen there.
func (c *Config) Exclusive() string { return httpserve.Claim(c.Endpoint) }

// CheckFiles tells what is wrong with the files that it names, for otelnpd validate.
func (c *Config) CheckFiles() error {
	return pipeline.At("web_config_file", webconfig.Check(c.WebConfigFile))
}

func (c *Config) listen() httpserve.Listen {
	return httpserve.Listen{Endpoint: c.Endpoint, WebConfigFile: c.WebConfigFile}
}
