package apiserver

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// Credentials says where server, CA and identity come from.
type Credentials string

// The sources of credentials.
const (
	// CredentialsAuto takes the kubeconfig where one is named; else the Pod's
	// service account where there is one; else the files of $KUBECONFIG.
	CredentialsAuto Credentials = "auto"
	// CredentialsInCluster takes the Pod's service account.
	CredentialsInCluster Credentials = "in_cluster"
	// CredentialsKubeconfig takes a kubeconfig file.
	CredentialsKubeconfig Credentials = "kubeconfig"
	// CredentialsNone takes none: Config.Server must be set.
	CredentialsNone Credentials = "none"
)

// Words are the sources that there are.
func (Credentials) Words() []string {
	return []string{
		string(CredentialsAuto), string(CredentialsInCluster), string(CredentialsKubeconfig), string(CredentialsNone),
	}
}

// The bounds of Config.Timeout.
const (
	minTimeout = 100 * time.Millisecond
	maxTimeout = 5 * time.Minute
)

// Config says how kube-apiserver is reached.
type Config struct {
	// Credentials says where server, CA and identity come from: `in_cluster`, the Pod's
	// service account; `kubeconfig`, the file named below; `none`, nothing but the
	// server; `auto`: the kubeconfig if one is named, else the service account if there
	// is one, else the files of $KUBECONFIG.
	Credentials Credentials `yaml:"credentials"`
	// Kubeconfig is the path of a kubeconfig file.
	Kubeconfig string `yaml:"kubeconfig"`
	// Server is https://HOST:PORT in place of what the credentials say.
	Server string `yaml:"server"`
	// InsecureSkipVerify trusts any certificate of the server: whoever is between can
	// then read the token.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
	// ServiceAccountToken takes the Pod's service account token as the only identity,
	// whatever the credentials.
	ServiceAccountToken bool `yaml:"service_account_token"`
	// Timeout of one request, from its sending to the end of the answer; 100ms to 5m.
	Timeout time.Duration `yaml:"timeout"`
	// QPS is how many requests a second are not exceeded for long; 0: no limit.
	QPS float64 `yaml:"qps"`
	// Burst is how many requests may go at once.
	Burst int `yaml:"burst"`
}

var _ pipeline.Config = (*Config)(nil)

// DefaultConfig finds the credentials by itself. Its rates are the defaults of
// node-problem-detector.
func DefaultConfig() Config {
	return Config{Credentials: CredentialsAuto, Timeout: 15 * time.Second, QPS: 500, Burst: 500}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	return errors.Join(
		pipeline.At("credentials", pipeline.CheckWord(c.Credentials)),
		pipeline.At("kubeconfig", c.validateKubeconfig()),
		pipeline.At("server", c.validateServer()),
		pipeline.At("timeout", c.validateTimeout()),
		pipeline.At("qps", c.validateQPS()),
		pipeline.At("burst", c.validateBurst()),
	)
}

func (c *Config) validateKubeconfig() error {
	switch {
	case c.Credentials == CredentialsKubeconfig && c.Kubeconfig == "":
		return errors.New("is missing: write the path of a kubeconfig file, or choose other credentials")
	case c.Kubeconfig != "" && (c.Credentials == CredentialsInCluster || c.Credentials == CredentialsNone):
		return fmt.Errorf("is not read with credentials: %s: remove one of them", c.Credentials)
	}
	return nil
}

func (c *Config) validateServer() error {
	if c.Server == "" {
		if c.Credentials == CredentialsNone {
			return errors.New("is missing: without credentials write https://HOST:PORT")
		}
		return nil
	}
	server, err := url.Parse(c.Server)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no URL: write https://HOST:PORT", redact.URL(c.Server))
	case server.Scheme != "https" && server.Scheme != "http", server.Hostname() == "":
		return fmt.Errorf("%q is no URL of a server: write https://HOST:PORT", redact.URL(c.Server))
	case server.User != nil:
		return errors.New("has a user in it: credentials belong into a kubeconfig")
	case server.RawQuery != "" || server.ForceQuery || server.Fragment != "":
		return fmt.Errorf("%q has more than a path in it: write https://HOST:PORT", redact.URL(c.Server))
	}
	return nil
}

func (c *Config) validateTimeout() error {
	if c.Timeout < minTimeout || c.Timeout > maxTimeout {
		return fmt.Errorf("%s is out of bounds: write a duration from %s to %s", c.Timeout, minTimeout, maxTimeout)
	}
	return nil
}

func (c *Config) validateQPS() error {
	if !(c.QPS >= 0) || c.QPS > math.MaxFloat32 {
		return fmt.Errorf("%g is out of bounds: write requests in a second, or 0 for no limit", c.QPS)
	}
	return nil
}

func (c *Config) validateBurst() error {
	if c.Burst < 0 || c.Burst == 0 && c.QPS > 0 {
		return fmt.Errorf("%d is out of bounds: write how many requests may go at once, 1 or more", c.Burst)
	}
	return nil
}
