package health

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/redact"
	"github.com/otelnpd/otelnpd/pipeline/source/probe"
)

// Config is the configuration of a health receiver: what is asked, how often, and
// whether something is done about it.
type Config struct {
	// Interval is the time between two questions to each, 1s to 1h.
	Interval time.Duration `yaml:"interval"`
	// Timeout is how long an answer may take, 10ms to 5m: later it counts as none.
	Timeout time.Duration `yaml:"timeout"`
	// StartGrace is how long a service that has just been started, or a node that has
	// just booted, need not be well, at most 1h; 0: it must be at once.
	StartGrace time.Duration `yaml:"start_grace"`
	// Kubelet asks the kubelet's health endpoint.
	Kubelet Endpoint `yaml:"kubelet"`
	// KubeProxy asks kube-proxy's health endpoint.
	KubeProxy Endpoint `yaml:"kube_proxy"`
	// ContainerRuntime asks the container runtime, over the CRI.
	ContainerRuntime Runtime `yaml:"container_runtime"`
	// Docker asks the docker daemon.
	Docker Docker `yaml:"docker"`
	// Units are units of systemd that are to run.
	Units []Unit `yaml:"units"`
	// Repair has a service that is not well killed, so that systemd starts it again.
	Repair Repair `yaml:"repair"`
}

// Endpoint is a health endpoint that is asked over HTTP.
type Endpoint struct {
	// Enabled asks it.
	Enabled bool `yaml:"enabled"`
	// URL is what is asked, by GET: 200 is healthy.
	URL string `yaml:"url"`
	// Unit is the unit of systemd that runs the service; empty: none does, so that it
	// has no grace after a restart, and no repair.
	Unit string `yaml:"unit"`
	// Declaration is how the answers are judged.
	check.Declaration `yaml:",inline"`
}

// Runtime is a container runtime.
type Runtime struct {
	// Enabled asks it.
	Enabled bool `yaml:"enabled"`
	// Socket is the path of its socket on the node: what is below /run is looked for
	// below `service.host.run`, all else below `service.host.root`.
	Socket string `yaml:"socket"`
	// Require names conditions of the runtime's own status that must be true:
	// RuntimeReady, NetworkReady. Without, its version and a list of pod sandboxes are
	// asked for.
	Require []string `yaml:"require"`
	// Unit is the unit of systemd that runs the service; empty: none does, so that it
	// has no grace after a restart, and no repair.
	Unit string `yaml:"unit"`
	// Declaration is how the answers are judged.
	check.Declaration `yaml:",inline"`
}

// Docker is a docker daemon.
type Docker struct {
	// Enabled asks it.
	Enabled bool `yaml:"enabled"`
	// Socket is the path of its socket on the node: what is below /run is looked for
	// below `service.host.run`, all else below `service.host.root`.
	Socket string `yaml:"socket"`
	// Unit is the unit of systemd that runs the service; empty: none does, so that it
	// has no grace after a restart, and no repair.
	Unit string `yaml:"unit"`
	// Declaration is how the answers are judged.
	check.Declaration `yaml:",inline"`
}

// Unit is a unit of systemd.
type Unit struct {
	// Name is the unit's: chronyd.service. It is needed.
	Name string `yaml:"name"`
	// Declaration is how its state is judged.
	check.Declaration `yaml:",inline"`
}

// Repair is what is done about a service that is not well.
type Repair struct {
	// Enabled has systemd kill (SIGKILL) the main process of the service's unit, once its
	// condition has turned: this needs root and the socket of the system bus.
	Enabled bool `yaml:"enabled"`
	// DryRun only tells what would be done.
	DryRun bool `yaml:"dry_run"`
	// Cooldown is how long the unit must have been up, 10s to 24h.
	Cooldown time.Duration `yaml:"cooldown"`
	// MaxPerHour is how often a service is repaired within an hour at most, 1 to 60.
	MaxPerHour int `yaml:"max_per_hour"`
}

// DefaultConfig asks the kubelet and containerd, and repairs nothing.
func DefaultConfig() *Config {
	judged := func(conditionType, reason, class string) check.Declaration {
		return check.Declaration{Condition: conditionType, Reason: reason, Class: class, Severity: "error", FailureThreshold: 3}
	}
	return &Config{
		Interval: 10 * time.Second, Timeout: 10 * time.Second, StartGrace: time.Minute,
		Kubelet: Endpoint{
			Enabled: true, URL: "http://127.0.0.1:10248/healthz", Unit: "kubelet.service",
			Declaration: judged(kubeletUnhealthy, "KubeletUnhealthy", "kubelet-unhealthy"),
		},
		KubeProxy: Endpoint{
			URL:         "http://127.0.0.1:10256/livez",
			Declaration: judged(kubeProxyUnhealthy, "KubeProxyUnhealthy", "kube-proxy-unhealthy"),
		},
		ContainerRuntime: Runtime{
			Enabled: true, Socket: "/run/containerd/containerd.sock", Unit: "containerd.service",
			Declaration: judged(runtimeUnhealthy, "ContainerdUnhealthy", "container-runtime-unhealthy"),
		},
		Docker: Docker{
			Socket: "/run/docker.sock", Unit: "docker.service",
			Declaration: judged(runtimeUnhealthy, "DockerUnhealthy", "container-runtime-unhealthy"),
		},
		Repair: Repair{Cooldown: 2 * time.Minute, MaxPerHour: 3},
	}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	fail := func(key string, err error) { errs = append(errs, pipeline.At(key, err)) }
	fail("interval", within(c.Interval, time.Second, time.Hour))
	fail("timeout", within(c.Timeout, 10*time.Millisecond, 5*time.Minute))
	fail("start_grace", within(c.StartGrace, 0, time.Hour))
	fail("kubelet", c.Kubelet.validate())
	fail("kube_proxy", c.KubeProxy.validate())
	fail("container_runtime", c.ContainerRuntime.validate())
	fail("docker", c.Docker.validate())
	fail("units", validateUnits(c.Units))
	fail("repair.cooldown", within(c.Repair.Cooldown, 10*time.Second, 24*time.Hour))
	if n := c.Repair.MaxPerHour; n < 1 || n > 60 {
		fail("repair.max_per_hour", fmt.Errorf("%d is out of range: write 1 to 60", n))
	}
	if !c.Kubelet.Enabled && !c.KubeProxy.Enabled && !c.ContainerRuntime.Enabled && !c.Docker.Enabled && len(c.Units) == 0 {
		errs = append(errs, errors.New("nothing is asked: enable kubelet, kube_proxy, container_runtime or docker, or write units"))
	}
	return errors.Join(errs...)
}

func within(d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s is out of range: write %s to %s", d, least, most)
	}
	return nil
}

func (e *Endpoint) validate() error {
	return errors.Join(pipeline.At("url", validateURL(e.URL)), validateUnit("unit", e.Unit), e.Declaration.Validate())
}

func validateURL(text string) error {
	asked, err := url.Parse(text)
	if err != nil || asked.Scheme != "http" || asked.Hostname() == "" || asked.User != nil {
		return fmt.Errorf("%q is no URL that can be asked: write for example http://127.0.0.1:10248/healthz", redact.URL(text))
	}
	return nil
}

// validateUnit checks the name of a unit; empty: there is none.
func validateUnit(key, name string) error {
	if name == "" {
		return nil
	}
	_, err := probe.UnitName(name)
	return pipeline.At(key, err)
}

// requirable are the conditions that a runtime must tell of (RuntimeStatus in the CRI).
var requirable = []string{"RuntimeReady", "NetworkReady"}

func (r *Runtime) validate() error {
	errs := []error{pipeline.At("socket", validateSocket(r.Socket)), validateUnit("unit", r.Unit), r.Declaration.Validate()}
	for i, required := range r.Require {
		errs = append(errs, pipeline.At(fmt.Sprintf("require[%d]", i), pipeline.OneOf(required, requirable...)))
	}
	return errors.Join(errs...)
}

func (d *Docker) validate() error {
	return errors.Join(pipeline.At("socket", validateSocket(d.Socket)), validateUnit("unit", d.Unit), d.Declaration.Validate())
}

func validateSocket(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no absolute path: write for example /run/crio/crio.sock", path)
	}
	return nil
}

func validateUnits(units []Unit) error {
	var errs []error
	seen := map[string]bool{}
	for i := range units {
		name, err := probe.UnitName(units[i].Name)
		if seen[name] {
			err = fmt.Errorf("%s is there twice", name)
		}
		seen[name] = err == nil
		at := fmt.Sprintf("[%d]", i)
		errs = append(errs, pipeline.At(at+".name", err), pipeline.At(at, units[i].Declaration.Validate()))
	}
	return errors.Join(errs...)
}
