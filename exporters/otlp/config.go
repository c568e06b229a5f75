package otlp

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/resource"
)

// Config is the configuration of the otlp exporter. A key that is not set is that of
// OpenTelemetry's environment variables.
type Config struct {
	// Endpoint is where the Collector is. By gRPC: HOST:PORT or unix:///PATH (by TLS unless
	// tls.insecure), https://HOST:PORT, or http://HOST:PORT (without TLS). By HTTP: a URL,
	// to which /v1/logs or /v1/metrics is appended. Not set:
	// OTEL_EXPORTER_OTLP_LOGS_ENDPOINT and OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, URLs that
	// are taken as they are, else OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4317,
	// by HTTP http://localhost:4318, with `auth: google` https://telemetry.googleapis.com.
	Endpoint string `yaml:"endpoint"`
	// Protocol is that of the Collector's receiver. Not set:
	// OTEL_EXPORTER_OTLP_[LOGS_|METRICS_]PROTOCOL, else `grpc`.
	Protocol collector.Protocol `yaml:"protocol"`
	// Headers go with each request, for example `authorization`. Those of
	// OTEL_EXPORTER_OTLP_[LOGS_|METRICS_]HEADERS go too, where they are not named here.
	Headers map[string]string `yaml:"headers"`
	// TLS says how the connection is secured. Files that are not set are those of
	// OTEL_EXPORTER_OTLP_[LOGS_|METRICS_]CERTIFICATE, …CLIENT_CERTIFICATE and …CLIENT_KEY.
	TLS collector.TLS `yaml:"tls"`
	// Compression of requests. Not set: OTEL_EXPORTER_OTLP_[LOGS_|METRICS_]COMPRESSION, else
	// `none`.
	Compression collector.Compression `yaml:"compression"`
	// Timeout of one request, from 100ms to 5m. Not set:
	// OTEL_EXPORTER_OTLP_[LOGS_|METRICS_]TIMEOUT, in milliseconds, else 10s.
	Timeout time.Duration `yaml:"timeout"`
	// ProbeInterval is how often a request without records asks whether the Collector
	// still answers while there is nothing to send, 1s or more; 0: never.
	ProbeInterval time.Duration `yaml:"probe_interval"`
	// Auth adds credentials to each request: `google`, those that Google Cloud's libraries
	// find (application-default credentials), for https://telemetry.googleapis.com.
	Auth Auth `yaml:"auth"`
	// Metrics says how metrics are sent, where service.pipelines.metrics names the
	// exporter.
	Metrics Metrics `yaml:"metrics"`
	// Resource says whose records they are.
	Resource resource.Config `yaml:"resource"`
}

const (
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = 5 * time.Minute
	defaultTimeout = 10 * time.Second

	minProbeInterval = time.Second
)

// DefaultConfig leaves all that it can to the environment.
func DefaultConfig() *Config {
	return &Config{ProbeInterval: 5 * time.Minute, Resource: resource.DefaultConfig()}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	return errors.Join(
		pipeline.At("protocol", pipeline.CheckWord(c.Protocol)),
		c.validateEndpoint(),
		pipeline.At("headers", c.validateHeaders()),
		pipeline.At("tls", c.TLS.Validate()),
		pipeline.At("compression", pipeline.CheckWord(c.Compression)),
		pipeline.At("timeout", c.validateTimeout()),
		pipeline.At("probe_interval", c.validateProbeInterval()),
		pipeline.At("auth", c.validateAuth()),
		pipeline.At("metrics", c.Metrics.Validate()),
		pipeline.At("resource", c.Resource.Validate()),
	)
}

// validateEndpoint looks at the endpoint as it will be, with the environment's part in
// it.
func (c *Config) validateEndpoint() error {
	if pipeline.CheckWord(c.Protocol) != nil || pipeline.CheckWord(c.Auth) != nil || c.TLS.Validate() != nil {
		return nil // which is told already
	}
	_, _, err := resolve(c, collector.Logs, os.LookupEnv)
	return err
}

func (c *Config) validateHeaders() error {
	var errs []error
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(c.Headers)) {
		errs = append(errs, pipeline.At(key, checkHeader(key, c.Headers[key])))
		if before, twice := seen[strings.ToLower(key)]; twice {
			errs = append(errs, pipeline.At(key, fmt.Errorf("is %s once more: remove one of them", before)))
		}
		seen[strings.ToLower(key)] = key
	}
	return errors.Join(errs...)
}

// checkHeader tells what is wrong with a header, without its value, which may be a
// secret.
func checkHeader(key, value string) error {
	lower := strings.ToLower(key)
	switch {
	case !httpguts.ValidHeaderFieldName(key):
		return fmt.Errorf("%q is no name of a header: write letters, digits and '-'", key)
	case strings.HasPrefix(lower, "grpc-"), strings.HasSuffix(lower, "-bin"),
		slices.Contains([]string{"content-type", "content-encoding", "content-length", "transfer-encoding", "connection", "te", "user-agent"}, lower):
		return errors.New("is for the protocol itself to set: remove it")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("has a value with characters that no header can have (control characters, a newline at its end, letters that are not ASCII): write it without them")
	}
	return nil
}

func (c *Config) validateTimeout() error {
	if c.Timeout != 0 && (c.Timeout < minTimeout || c.Timeout > maxTimeout) {
		return fmt.Errorf("%s is out of bounds: write a duration from %s to %s", c.Timeout, minTimeout, maxTimeout)
	}
	return nil
}

func (c *Config) validateProbeInterval() error {
	if c.ProbeInterval != 0 && c.ProbeInterval < minProbeInterval {
		return fmt.Errorf("%s is too short: write %s or more, or 0 for never", c.ProbeInterval, minProbeInterval)
	}
	return nil
}
