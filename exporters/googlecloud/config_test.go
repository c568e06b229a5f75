package googlecloud_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/googlecloud"
)

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*googlecloud.Config){
		"": func(*googlecloud.Config) {},
		`endpoint: "monitoring" is no endpoint: write HOST:PORT, for example monitoring.googleapis.com:443`:               func(c *googlecloud.Config) { c.Endpoint = "monitoring" },
		`endpoint: "https://a:443" is no endpoint: write HOST:PORT, for example monitoring.googleapis.com:443`:            func(c *googlecloud.Config) { c.Endpoint = "https://a:443" },
		`endpoint: "a/b:443" has characters that no host has: write HOST:PORT, for example monitoring.googleapis.com:443`: func(c *googlecloud.Config) { c.Endpoint = "a/b:443" },
		`endpoint: "http://…@a:443" has characters that no host has: write HOST:PORT, for example monitoring.googleapis.com:443`: func(c *googlecloud.Config) {
			c.Endpoint = "http://secret@a:443"
		},
		`endpoint: "https://…@a:443" is no endpoint: write HOST:PORT, for example monitoring.googleapis.com:443`: func(c *googlecloud.Config) {
			c.Endpoint = "https://me:secret@a:443"
		},
		`project: "My Project" is no id of a project: write its id (6 to 30 lower-case letters, digits and '-'), not its name`: func(c *googlecloud.Config) {
			c.Project = "My Project"
		},
		`credentials_file: is not used with an endpoint of http://: remove one of them`: func(c *googlecloud.Config) {
			c.Endpoint, c.CredentialsFile = "http://127.0.0.1:1", "/key.json"
		},
		`period: 4.9s is too short: write 5s or more`: func(c *googlecloud.Config) { c.Period = 4900 * time.Millisecond },
		`resource.type: "gke" is unknown: write one of k8s_node, gce_instance, generic_node`: func(c *googlecloud.Config) {
			c.Resource.Type = "gke"
		},
		"resource.zone: is of gce_instance, and the type is k8s_node: remove it\nresource.node_id: is of generic_node, and the type is k8s_node: remove it": func(c *googlecloud.Config) {
			c.Resource.Zone, c.Resource.NodeID = "europe-west1-b", "node-1"
		},
		`resource.instance_id: "gke-1" is no number of a machine: correct it, or leave it out`: func(c *googlecloud.Config) {
			c.Resource = googlecloud.Resource{Type: googlecloud.GCEInstance, InstanceID: "gke-1"}
		},
		`custom_metric_prefix: "node" is no beginning of a metric type: write for example custom.googleapis.com/node`: func(c *googlecloud.Config) {
			c.CustomMetricPrefix = "node"
		},
		"metric_types.a: \"load\" is no metric type: write for example custom.googleapis.com/node/load\nmetric_types.c: \"a.b/c\" is the type of b too: give each its own": func(c *googlecloud.Config) {
			c.MetricTypes = map[string]string{"a": "load", "b": "a.b/c", "c": "a.b/c"}
		},
		"metadata.timeout: -1s is no timeout: write a duration\nmetadata.interval: 0s is too short: write 1s or more": func(c *googlecloud.Config) {
			c.Metadata = googlecloud.Metadata{Timeout: -time.Second}
		},
		`exclude[0]: is empty: write the name of a metric, in which * stands for any text`: func(c *googlecloud.Config) { c.Exclude = []string{""} },
	} {
		t.Run(strings.ReplaceAll(want, "/", "|"), func(t *testing.T) {
			config := googlecloud.DefaultConfig()
			change(config)
			err := config.Validate()
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, want)
		})
	}
}

func TestTwoExportersMayNotWriteTheSameSeries(t *testing.T) {
	one, other := googlecloud.DefaultConfig(), googlecloud.DefaultConfig()
	other.Period = time.Hour
	require.Equal(t, one.Exclusive(), other.Exclusive())
	other.Project = "another-project"
	require.NotEqual(t, one.Exclusive(), other.Exclusive())
}
