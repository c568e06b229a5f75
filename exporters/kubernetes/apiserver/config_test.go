package apiserver_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
)

func TestDefaultConfig(t *testing.T) {
	config := apiserver.DefaultConfig()
	require.NoError(t, config.Validate())
	require.Equal(t, apiserver.Config{Credentials: "auto", Timeout: 15 * time.Second, QPS: 500, Burst: 500}, config)
	strictyamltest.CheckStruct(t, &config)
}

func TestConfigValidates(t *testing.T) {
	tests := map[string]struct {
		change func(*apiserver.Config)
		want   string
	}{
		"none with a server": {change: func(c *apiserver.Config) { c.Credentials, c.Server = "none", "http://10.0.0.1:8080/prefix" }},
		"kubeconfig":         {change: func(c *apiserver.Config) { c.Credentials, c.Kubeconfig = "kubeconfig", "a/b" }},
		"no limit":           {change: func(c *apiserver.Config) { c.QPS, c.Burst = 0, 0 }},
		"unknown credentials": {
			change: func(c *apiserver.Config) { c.Credentials = "token" },
			want:   `credentials: "token" is unknown: write one of auto, in_cluster, kubeconfig, none`,
		},
		"kubeconfig without a path": {
			change: func(c *apiserver.Config) { c.Credentials = "kubeconfig" },
			want:   "kubeconfig: is missing: write the path of a kubeconfig file, or choose other credentials",
		},
		"kubeconfig in a cluster": {
			change: func(c *apiserver.Config) { c.Credentials, c.Kubeconfig = "in_cluster", "x" },
			want:   "kubeconfig: is not read with credentials: in_cluster: remove one of them",
		},
		"none without a server": {
			change: func(c *apiserver.Config) { c.Credentials = "none" },
			want:   "server: is missing: without credentials write https://HOST:PORT",
		},
		"no scheme": {
			change: func(c *apiserver.Config) { c.Server = "10.0.0.1:6443" },
			want:   `server: "10.0.0.1:6443" is no URL: write https://HOST:PORT`,
		},
		"another scheme": {
			change: func(c *apiserver.Config) { c.Server = "ftp://10.0.0.1" },
			want:   `server: "ftp://10.0.0.1" is no URL of a server: write https://HOST:PORT`,
		},
		"no host": {
			change: func(c *apiserver.Config) { c.Server = "https://:6443" },
			want:   `server: "https://:6443" is no URL of a server: write https://HOST:PORT`,
		},
		"a user": {
			change: func(c *apiserver.Config) { c.Server = "https://me:secret@host" },
			want:   "server: has a user in it: credentials belong into a kubeconfig",
		},
		"a user of no URL": {
			change: func(c *apiserver.Config) { c.Server = "https://me:secret@host:x" },
			want:   `server: "https://…@host:x" is no URL: write https://HOST:PORT`,
		},
		"a user of no server": {
			change: func(c *apiserver.Config) { c.Server = "me:secret@host" },
			want:   `server: "…@host" is no URL of a server: write https://HOST:PORT`,
		},
		"a query": {
			change: func(c *apiserver.Config) { c.Server = "https://host?insecure=true" },
			want:   `server: "https://host?…" has more than a path in it: write https://HOST:PORT`,
		},
		"too short": {
			change: func(c *apiserver.Config) { c.Timeout = time.Millisecond },
			want:   "timeout: 1ms is out of bounds: write a duration from 100ms to 5m0s",
		},
		"no number": {
			change: func(c *apiserver.Config) { c.QPS = math.NaN() },
			want:   "qps: NaN is out of bounds: write requests in a second, or 0 for no limit",
		},
		"infinite": {
			change: func(c *apiserver.Config) { c.QPS = math.Inf(1) },
			want:   "qps: +Inf is out of bounds: write requests in a second, or 0 for no limit",
		},
		"no burst": {
			change: func(c *apiserver.Config) { c.Burst = 0 },
			want:   "burst: 0 is out of bounds: write how many requests may go at once, 1 or more",
		},
		"several": {
			change: func(c *apiserver.Config) { c.Timeout, c.QPS = time.Hour, -1 },
			want: "timeout: 1h0m0s is out of bounds: write a duration from 100ms to 5m0s\n" +
				"qps: -1 is out of bounds: write requests in a second, or 0 for no limit",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			config := apiserver.DefaultConfig()
			tt.change(&config)
			err := config.Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}
