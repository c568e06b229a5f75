package googlecloud

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// Config is the configuration of the googlecloud exporter.
type Config struct {
	// Endpoint is that of the Cloud Monitoring API, HOST:PORT. With http:// before it
	// neither TLS nor credentials are used: that is for a proxy on the same machine.
	Endpoint string `yaml:"endpoint"`
	// Project is the id of the project to write to. Not set: GOOGLE_CLOUD_PROJECT, else
	// cloud.account.id of OTEL_RESOURCE_ATTRIBUTES, else what the metadata server says.
	Project string `yaml:"project"`
	// CredentialsFile is the path of a file of credentials, in JSON. Not set:
	// application default credentials, which are GOOGLE_APPLICATION_CREDENTIALS, or those
	// of the machine or of Workload Identity, from the metadata server.
	CredentialsFile string `yaml:"credentials_file"`
	// Period is how often all metrics are written, 5s or more: Cloud Monitoring takes one
	// point of a series in that time.
	Period time.Duration `yaml:"period"`
	// Resource says what the metrics are of.
	Resource Resource `yaml:"resource"`
	// CustomMetricPrefix goes before the names of metrics that have no type of their own:
	// PREFIX/NAME. Empty: such metrics are not written.
	CustomMetricPrefix string `yaml:"custom_metric_prefix"`
	// MetricTypes are the types, in Cloud Monitoring, of metrics by their names. They go
	// before all others.
	MetricTypes map[string]string `yaml:"metric_types"`
	// Metadata says how the metadata server of Compute Engine is asked for what is not
	// set here.
	Metadata Metadata `yaml:"metadata"`

	metricfilter.Config `yaml:",inline"`
}

// Resource is a monitored resource of Cloud Monitoring. What is not set comes from
// OTEL_RESOURCE_ATTRIBUTES or from the metadata server.
type Resource struct {
	// Type is k8s_node, gce_instance (as node-problem-detector has it: then its metrics
	// have the types that Google gives them) or generic_node.
	Type ResourceType `yaml:"type"`
	// Location is the region or zone of the cluster (k8s_node) or of the machine
	// (generic_node, where it is `global` if nothing says it).
	Location string `yaml:"location"`
	// ClusterName is the name of the cluster; of k8s_node.
	ClusterName string `yaml:"cluster_name"`
	// NodeName is the name of the node; of k8s_node. Not set: that of service.node.
	NodeName string `yaml:"node_name"`
	// Zone of the machine; of gce_instance.
	Zone string `yaml:"zone"`
	// InstanceID is the number of the machine; of gce_instance.
	InstanceID string `yaml:"instance_id"`
	// InstanceName is the name of the machine, the label instance_name of all series; of
	// gce_instance.
	InstanceName string `yaml:"instance_name"`
	// Namespace tells apart nodes of the same name; of generic_node.
	Namespace string `yaml:"namespace"`
	// NodeID is the name of the node; of generic_node. Not set: that of service.node.
	NodeID string `yaml:"node_id"`
}

// ResourceType is a type of monitored resources.
type ResourceType string

// The types that nodes have.
const (
	K8sNode     ResourceType = "k8s_node"
	GCEInstance ResourceType = "gce_instance"
	GenericNode ResourceType = "generic_node"
)

// Words are the types that can be chosen.
func (ResourceType) Words() []string {
	return []string{string(K8sNode), string(GCEInstance), string(GenericNode)}
}

// Metadata says how the metadata server is asked.
type Metadata struct {
	// Timeout is for how long what the server does not tell is worth waiting for; it is
	// asked on after that.
	Timeout time.Duration `yaml:"timeout"`
	// Interval is the time between two questions, 1s or more.
	Interval time.Duration `yaml:"interval"`
	// PanicOnFailure ends the agent, with exit status 1, if the timeout passes without an
	// answer: node-problem-detector's panicOnMetadataFetchFailure.
	PanicOnFailure bool `yaml:"panic_on_failure"`
}

const (
	defaultEndpoint = "monitoring.googleapis.com:443"
	plainScheme     = "http://"
	// minPeriod is the time in which Cloud Monitoring takes one point of a series:
	// https://cloud.google.com/monitoring/quotas#custom_metrics_quotas
	minPeriod           = 5 * time.Second
	minMetadataInterval = time.Second
	// maxMetricType is the length of the longest type that there can be.
	maxMetricType = 200
)

// DefaultConfig writes once a minute, of a node of a cluster.
func DefaultConfig() *Config {
	return &Config{
		Endpoint: defaultEndpoint, Period: time.Minute, Resource: Resource{Type: K8sNode},
		CustomMetricPrefix: "workload.googleapis.com",
		Metadata:           Metadata{Timeout: 10 * time.Minute, Interval: 10 * time.Second},
	}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	return errors.Join(
		pipeline.At("endpoint", checkEndpoint(c.Endpoint)),
		pipeline.At("project", c.checkProject()),
		pipeline.At("credentials_file", c.checkCredentials()),
		pipeline.At("period", atLeast(c.Period, minPeriod)),
		pipeline.At("resource", c.Resource.validate()),
		pipeline.At("custom_metric_prefix", checkPrefix(c.CustomMetricPrefix)),
		pipeline.At("metric_types", c.checkTypes()),
		pipeline.At("metadata", c.Metadata.validate()),
		c.Config.Validate(),
	)
}

// Exclusive names the series that are written: only one exporter can, without points
// that are too close to one another.
func (c *Config) Exclusive() string {
	return fmt.Sprintf("the series of %s in project %q of %s", c.Resource.Type, c.Project, c.Endpoint)
}

func checkEndpoint(endpoint string) error {
	address, _ := strings.CutPrefix(endpoint, plainScheme)
	host, port, err := net.SplitHostPort(address)
	if number, errPort := strconv.Atoi(port); err != nil || errPort != nil || number < 1 || number > 65535 || host == "" {
		return fmt.Errorf("%q is no endpoint: write HOST:PORT, for example %s", redact.URL(endpoint), defaultEndpoint)
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("/@?#", r) }) {
		return fmt.Errorf("%q has characters that no host has: write HOST:PORT, for example %s", redact.URL(endpoint), defaultEndpoint)
	}
	return nil
}

var projectPattern = regexp.MustCompile(`^([a-z0-9.-]{1,63}:)?[a-z0-9][a-z0-9-]{4,28}[a-z0-9]$`)

func (c *Config) checkProject() error {
	if c.Project != "" && !projectPattern.MatchString(c.Project) {
		return fmt.Errorf("%q is no id of a project: write its id (6 to 30 lower-case letters, digits and '-'), not its name", c.Project)
	}
	return nil
}

func (c *Config) checkCredentials() error {
	if c.CredentialsFile != "" && strings.HasPrefix(c.Endpoint, plainScheme) {
		return errors.New("is not used with an endpoint of http://: remove one of them")
	}
	return nil
}

func atLeast(value, least time.Duration) error {
	if value < least {
		return fmt.Errorf("%s is too short: write %s or more", value, least)
	}
	return nil
}

// typePattern is what a metric type, or the beginning of one, may be.
var typePattern = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_.-]+)*$`)

func checkPrefix(prefix string) error {
	if prefix != "" && (!typePattern.MatchString(prefix) || len(prefix) > maxMetricType/2) {
		return fmt.Errorf("%q is no beginning of a metric type: write for example custom.googleapis.com/node", prefix)
	}
	return nil
}

func (c *Config) checkTypes() error {
	var errs []error
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.MetricTypes)) {
		kind := c.MetricTypes[name]
		if !typePattern.MatchString(kind) || !strings.Contains(kind, "/") || len(kind) > maxMetricType {
			errs = append(errs, pipeline.At(name, fmt.Errorf("%q is no metric type: write for example custom.googleapis.com/node/load", kind)))
		}
		if first, twice := taken[kind]; twice {
			errs = append(errs, pipeline.At(name, fmt.Errorf("%q is the type of %s too: give each its own", kind, first)))
		}
		taken[kind] = name
	}
	return errors.Join(errs...)
}

func (r *Resource) validate() error {
	errs := []error{pipeline.At("type", pipeline.CheckWord(r.Type))}
	if errs[0] != nil {
		return errs[0]
	}
	used := map[string]bool{}
	for _, part := range partsOf(r.Type) {
		used[part.key] = true
		errs = append(errs, pipeline.At(part.key, checkConfigured(part, part.configured(r))))
	}
	for _, other := range r.Type.Words() {
		for _, part := range partsOf(ResourceType(other)) {
			if !used[part.key] && part.configured(r) != "" {
				used[part.key] = true // it is told once
				errs = append(errs, pipeline.At(part.key, fmt.Errorf("is of %s, and the type is %s: remove it", other, r.Type)))
			}
		}
	}
	return errors.Join(errs...)
}

func checkConfigured(part part, value string) error {
	if value == "" {
		return nil
	}
	if _, err := part.read(value); err != nil {
		return fmt.Errorf("%w: correct it, or leave it out", err)
	}
	return nil
}

func (m *Metadata) validate() error {
	var timeout error
	if m.Timeout < 0 {
		timeout = fmt.Errorf("%s is no timeout: write a duration", m.Timeout)
	}
	return errors.Join(
		pipeline.At("timeout", timeout),
		pipeline.At("interval", atLeast(m.Interval, minMetadataInterval)),
	)
}
