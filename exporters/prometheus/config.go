package prometheus

import (
	"errors"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
	"github.com/otelnpd/otelnpd/pipeline/httpserve/webconfig"
	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
)

// Config is the configuration of the Prometheus exporter.
type Config struct {
	// Endpoint is where to listen, HOST:PORT; an empty host stands for all addresses,
	// port 0 for any free port.
	Endpoint string `yaml:"endpoint"`
	// WebConfigFile is the path of a web configuration file as all of Prometheus' exporters
	// know it, with tls_server_config and basic_auth_users; relative paths in it begin at
	// its directory. Without one everybody who can connect is served, in the clear.
	WebConfigFile string `yaml:"web_config_file"`
	// Config chooses the metrics, by the names of their instruments or of Prometheus.
	metricfilter.Config `yaml:",inline"`
}

// DefaultConfig listens where node-problem-detector does.
func DefaultConfig() *Config { return &Config{Endpoint: "127.0.0.1:20257"} }

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	return errors.Join(
		pipeline.At("endpoint", httpserve.ValidateEndpoint(c.Endpoint)),
		pipeline.At("web_config_file", webconfig.Validate(c.WebConfigFile)),
		c.Config.Validate(),
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
