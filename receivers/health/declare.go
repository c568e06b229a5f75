package health

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/source/probe"
)

// The conditions that the receiver brings. Types and reasons are
// node-problem-detector's.
const (
	// The kubelet's health endpoint does not answer or says that it is not well.
	// Remedy: see `journalctl -u kubelet`; start it again, by hand or by the receiver's `repair`.
	kubeletUnhealthy = "KubeletUnhealthy"
	// kube-proxy's health endpoint does not answer or says that it is not well: Services may lead nowhere on this
	// node.
	// Remedy: see the log of its Pod; delete the Pod, or start its unit again.
	kubeProxyUnhealthy = "KubeProxyUnhealthy"
	// The container runtime (or docker, where that is asked) does not answer on its socket, or says that it is not
	// ready.
	// Remedy: see its log, `journalctl -u containerd` for example; start it again, by hand or by the receiver's
	// `repair`.
	runtimeUnhealthy = "ContainerRuntimeUnhealthy"
)

var types = []condition.Type{
	{Name: kubeletUnhealthy, HealthyReason: "KubeletIsHealthy", HealthyMessage: "the kubelet answers", OnUnknown: condition.OnUnknownHold},
	{Name: kubeProxyUnhealthy, HealthyReason: "KubeProxyIsHealthy", HealthyMessage: "kube-proxy answers", OnUnknown: condition.OnUnknownHold},
	{Name: runtimeUnhealthy, HealthyReason: "ContainerRuntimeIsHealthy", HealthyMessage: "the container runtime answers", OnUnknown: condition.OnUnknownHold},
}

// target is what one check asks, as the configuration has it.
type target struct {
	// id names the check, path its key in the configuration.
	id, path string
	// unit runs it; empty: none.
	unit string
	// repairs tells whether it may be repaired, and dumps whether it logs what it does
	// when it is sent SIGUSR1.
	repairs, dumps bool
	rule           condition.Rule
	declaration    *check.Declaration
	probe          func(pipeline.Host) asker
}

// asker is a probe.
type asker interface {
	Ask(ctx context.Context) error
}

// targets are all that the configuration asks, in its order.
func (c *Config) targets() (all []target) {
	add := func(enabled bool, t target, asks ...any) {
		if enabled {
			t.rule = t.declaration.Rule("health/"+t.id, asks)
			t.repairs = t.repairs && !t.rule.Observe
			all = append(all, t)
		}
	}
	for _, e := range []struct {
		id, path string
		*Endpoint
	}{{"kubelet", "kubelet", &c.Kubelet}, {"kube-proxy", "kube_proxy", &c.KubeProxy}} {
		add(e.Enabled, target{
			id: e.id, path: e.path, unit: e.Unit, repairs: e.Unit != "", declaration: &e.Declaration,
			probe: func(host pipeline.Host) asker { return &probe.Endpoint{URL: e.URL, Proc: host.Proc} },
		}, e.URL)
	}
	r, d := &c.ContainerRuntime, &c.Docker
	add(r.Enabled, target{
		id: "container-runtime", path: "container_runtime", unit: r.Unit, repairs: r.Unit != "", declaration: &r.Declaration,
		probe: func(host pipeline.Host) asker {
			return &probe.Runtime{Socket: place(host, r.Socket), Require: r.Require}
		},
	}, r.Socket, r.Require)
	add(d.Enabled, target{
		id: "docker", path: "docker", unit: d.Unit, repairs: d.Unit != "", dumps: true, declaration: &d.Declaration,
		probe: func(host pipeline.Host) asker { return &probe.Docker{Socket: place(host, d.Socket)} },
	}, d.Socket)
	for i := range c.Units {
		u := &c.Units[i]
		name, _ := probe.UnitName(u.Name) // Validate has found nothing wrong
		add(true, target{
			id: "unit/" + name, path: fmt.Sprintf("units[%d]", i), unit: name, declaration: &u.Declaration,
			probe: func(host pipeline.Host) asker { return &probe.Running{Systemd: systemd(host), Unit: name} },
		}, name)
	}
	return all
}

// place is where a socket of the node is seen.
func place(host pipeline.Host, path string) string {
	path = filepath.Clean(path)
	for _, run := range []string{"/run/", "/var/run/"} {
		if name, below := strings.CutPrefix(path, run); below {
			return filepath.Join(host.Run, name)
		}
	}
	return host.Path(path)
}

func systemd(host pipeline.Host) *probe.Systemd {
	return &probe.Systemd{Socket: filepath.Join(host.Run, "dbus/system_bus_socket")}
}

// repairRule is the rule of the events that tell of repairs.
func (t *target) repairRule() condition.Rule {
	return condition.Rule{
		ID: t.rule.ID + "-repair", Level: true, Class: t.rule.Class, Reason: reasonRepaired, Source: t.rule.Source,
		Severity: log.SeverityWarn, Observe: t.rule.Observe, Unreported: t.rule.Unreported,
	}
}

// rules are those that judge what a target's check finds.
func (c *Config) rules(t *target) []condition.Rule {
	if c.Repair.Enabled && t.repairs {
		return []condition.Rule{t.rule, t.repairRule()}
	}
	return []condition.Rule{t.rule}
}

// Declare brings a rule for everything that is asked, and the conditions of
// node-problem-detector that they act on.
func (c *Config) Declare() condition.Declarations {
	var brought condition.Declarations
	needed := map[string]bool{}
	for _, t := range c.targets() {
		needed[t.rule.Condition] = true
		for _, rule := range c.rules(&t) {
			brought.Rules = append(brought.Rules, condition.DeclaredRule{Rule: rule, Path: t.path})
		}
	}
	for i := range types {
		if needed[types[i].Name] {
			brought.Types = append(brought.Types, types[i])
		}
	}
	return brought
}
