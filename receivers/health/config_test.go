package health

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
)

func TestConfigIsCommented(t *testing.T) { strictyamltest.CheckStruct(t, Config{}) }

func TestDefaultConfig(t *testing.T) {
	c := DefaultConfig()
	require.NoError(t, c.Validate())
	var rules, types []string
	declared := c.Declare()
	for _, rule := range declared.Rules {
		require.True(t, rule.Level)
		require.Equal(t, 3, rule.FailureThreshold)
		rules = append(rules, rule.Path+" "+rule.ID+" "+rule.Condition+" "+rule.Reason)
	}
	for _, one := range declared.Types {
		types = append(types, one.Name+" "+one.HealthyReason)
	}
	require.Equal(t, []string{
		"kubelet health/kubelet KubeletUnhealthy KubeletUnhealthy",
		"container_runtime health/container-runtime ContainerRuntimeUnhealthy ContainerdUnhealthy",
	}, rules)
	require.Equal(t, []string{"KubeletUnhealthy KubeletIsHealthy", "ContainerRuntimeUnhealthy ContainerRuntimeIsHealthy"}, types)
}

func TestDeclare(t *testing.T) {
	c := DefaultConfig()
	c.Kubelet.Enabled, c.KubeProxy.Enabled, c.Docker.Enabled, c.Repair.Enabled = false, true, true, true
	c.Docker.Condition = "DockerDown" // which the file is to declare
	c.Units = []Unit{{Name: "chronyd"}}
	c.Units[0].Reason = "ChronydDown"
	require.NoError(t, c.Validate())
	var rules []string
	for _, rule := range c.Declare().Rules {
		rules = append(rules, rule.Path+" "+rule.ID+" "+rule.Condition+" "+rule.Reason)
	}
	require.Equal(t, []string{
		"kube_proxy health/kube-proxy KubeProxyUnhealthy KubeProxyUnhealthy",
		"container_runtime health/container-runtime ContainerRuntimeUnhealthy ContainerdUnhealthy",
		"container_runtime health/container-runtime-repair  ServiceRepair",
		"docker health/docker DockerDown DockerUnhealthy",
		"docker health/docker-repair  ServiceRepair",
		"units[0] health/unit/chronyd.service  ChronydDown",
	}, rules)
	require.Len(t, c.Declare().Types, 2)
}

func TestARuleChangesWithWhatItAsks(t *testing.T) {
	one, other := DefaultConfig(), DefaultConfig()
	require.Equal(t, one.Declare().Rules[1].Definition, other.Declare().Rules[1].Definition)
	other.ContainerRuntime.Require = []string{"RuntimeReady"}
	require.NotEqual(t, one.Declare().Rules[1].Definition, other.Declare().Rules[1].Definition)
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"interval: 1ms is out of range: write 1s to 1h0m0s":                                                            func(c *Config) { c.Interval = time.Millisecond },
		"timeout: 0s is out of range: write 10ms to 5m0s":                                                              func(c *Config) { c.Timeout = 0 },
		"start_grace: -1s is out of range: write 0s to 1h0m0s":                                                         func(c *Config) { c.StartGrace = -time.Second },
		`kubelet.url: "127.0.0.1:10248" is no URL that can be asked: write for example http://127.0.0.1:10248/healthz`: func(c *Config) { c.Kubelet.URL = "127.0.0.1:10248" },
		`kube_proxy.url: "https://127.0.0.1/" is no URL that can be asked: write for example http://127.0.0.1:10248/healthz`: func(c *Config) {
			c.KubeProxy.URL = "https://127.0.0.1/"
		},
		`kubelet.url: "http://…@127.0.0.1:10248/" is no URL that can be asked: write for example http://127.0.0.1:10248/healthz`: func(c *Config) {
			c.Kubelet.URL = "http://me:secret@127.0.0.1:10248/"
		},
		`kube_proxy.url: "http://…@h:x" is no URL that can be asked: write for example http://127.0.0.1:10248/healthz`: func(c *Config) {
			c.KubeProxy.URL = "http://me:secret@h:x"
		},
		`kubelet.unit: "a b" is no name of a unit: write for example kubelet.service`:                      func(c *Config) { c.Kubelet.Unit = "a b" },
		"kubelet.reason: is missing: write a CamelCase word, for example DiskIsFailing":                    func(c *Config) { c.Kubelet.Reason = "" },
		`container_runtime.socket: "crio.sock" is no absolute path: write for example /run/crio/crio.sock`: func(c *Config) { c.ContainerRuntime.Socket = "crio.sock" },
		`container_runtime.require[0]: "Ready" is unknown: write one of RuntimeReady, NetworkReady`:        func(c *Config) { c.ContainerRuntime.Require = []string{"Ready"} },
		"docker.failure_threshold: 1001 is out of range: write 1 to 1000":                                  func(c *Config) { c.Docker.FailureThreshold = 1001 },
		"units[0].name: \"\" is no name of a unit: write for example kubelet.service":                      func(c *Config) { c.Units = units("") },
		"units[1].name: a.service is there twice":                                                          func(c *Config) { c.Units = units("a", "a.service") },
		"repair.cooldown: 1s is out of range: write 10s to 24h0m0s":                                        func(c *Config) { c.Repair.Cooldown = time.Second },
		"repair.max_per_hour: 0 is out of range: write 1 to 60":                                            func(c *Config) { c.Repair.MaxPerHour = 0 },
		"nothing is asked: enable kubelet, kube_proxy, container_runtime or docker, or write units": func(c *Config) {
			c.Kubelet.Enabled, c.ContainerRuntime.Enabled = false, false
		},
	} {
		c := DefaultConfig()
		change(c)
		require.EqualError(t, c.Validate(), want)
	}
}

func units(names ...string) (all []Unit) {
	for _, name := range names {
		all = append(all, Unit{Name: name})
		all[len(all)-1].Reason = "Down"
	}
	return all
}

func TestPlaces(t *testing.T) {
	host := pipeline.Host{Root: "/host", Run: "/mnt/run"}
	for path, want := range map[string]string{
		"/run/containerd/containerd.sock":            "/mnt/run/containerd/containerd.sock",
		"/var/run/crio/crio.sock":                    "/mnt/run/crio/crio.sock",
		"/run/../run/docker.sock":                    "/mnt/run/docker.sock",
		"/var/lib/k3s/containerd.sock":               "/host/var/lib/k3s/containerd.sock",
		"/running/docker.sock":                       "/host/running/docker.sock",
		"/run/" + strings.Repeat("../", 9) + "etc/x": "/host/etc/x",
	} {
		require.Equal(t, want, place(host, path))
	}
}
