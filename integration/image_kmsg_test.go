package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// requireChartOnKmsg runs the Pod of the chart that docs/deploy-kubernetes.md has for nodes
// without a journal: privileged, of which the agent keeps CAP_SYSLOG alone. A container
// that takes the place of one that has ended knows the condition, and repeats nothing.
func requireChartOnKmsg(t *testing.T, pods *servers.Pods, log *kernellog.Log, image string) {
	t.Helper()
	log.Overwrite(t) // by default it begins at the boot
	p := newChartPod(t, "--set", "kernelLog=kmsg,capabilities={SYSLOG}")
	p.start(t, pods, image)
	p.requireSyslogAlone(t)
	hung := kernellog.Tag() + ": INFO: task docker:20744 blocked for more than 120 seconds."
	log.Write(t, hung)
	p.await(t, agent.Problem("TaskHung", hung))
	p.await(t, agent.Turned("KernelDeadlock", "True", "DockerHung"))
	before := p.condition(t, "KernelDeadlock")
	require.Equal(t, []string{"True", "DockerHung", hung}, []string{before.Status, before.Reason, before.Message})
	p.requireStopsWithin(t)

	p.start(t, pods, image) // in the same Pod, with its state on the node
	p.requireSyslogAlone(t)
	require.Equal(t, before, p.condition(t, "KernelDeadlock"))
	oops := kernellog.Tag() + ": BUG: unable to handle kernel NULL pointer dereference at 0000000000000028"
	log.Write(t, oops)
	p.await(t, agent.Problem("KernelOops", oops)) // it comes after what would be repeated
	require.Equal(t, before, p.condition(t, "KernelDeadlock"))
	require.Empty(t, p.events(t, func(e agent.Event) bool {
		return agent.Problem("TaskHung", "")(e) || agent.Turned("KernelDeadlock", e.Status, e.Reason)(e)
	}))
	p.requireStopsWithin(t)
}

// chartPod is the Pod of a chart.
type chartPod struct {
	*pod
	// grace is its terminationGracePeriodSeconds.
	grace time.Duration
}

// newChartPod renders the chart. Of its configuration addresses are the test's, and what
// goes to the API server goes to the console; of its volumes the node's logs and the
// folders that the kubelet makes are new.
func newChartPod(t *testing.T, args ...string) *chartPod {
	t.Helper()
	manifest := render(t, servers.Helm3, args...)
	spec := podSpecOf(t, manifest)
	require.False(t, spec.HostNetwork || spec.HostPID)
	container := spec.Containers[0]
	require.Equal(t, map[string]any{"privileged": true, "readOnlyRootFilesystem": true}, container.SecurityContext)
	p := &chartPod{pod: &pod{address: process.FreeAddress(t)}, grace: time.Duration(spec.TerminationGracePeriodSeconds) * time.Second}
	p.config = &cri.ContainerConfig{
		Command: container.Command, Args: container.Args, Envs: []*cri.KeyValue{{Key: "NODE_NAME", Value: []byte("node-1")}},
		Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{
			Privileged: true, ReadonlyRootfs: true, RunAsUser: &cri.Int64Value{}, NamespaceOptions: podNamespaces(),
		}},
	}
	folders := map[string]string{}
	for _, volume := range spec.Volumes {
		folders[volume.Name] = t.TempDir()
		if slices.Contains([]string{"/proc", "/sys", "/dev/kmsg"}, volume.HostPath.Path) {
			folders[volume.Name] = volume.HostPath.Path
		}
	}
	for _, mount := range container.VolumeMounts {
		require.Contains(t, folders, mount.Name)
		p.config.Mounts = append(p.config.Mounts, &cri.Mount{HostPath: folders[mount.Name], ContainerPath: mount.MountPath, Readonly: mount.ReadOnly})
	}
	require.Contains(t, folders, "config")
	p.writeConfig(t, folders["config"], one(t, servers.Objects(t, manifest), "ConfigMap"))
	return p
}

// writeConfig writes the agent's configuration into the folder of the ConfigMap.
func (p *chartPod) writeConfig(t *testing.T, folder string, configMap servers.Object) {
	t.Helper()
	text, _ := configMap.At("data", "otelnpd.yaml").(string)
	var config map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &config))
	require.Equal(t, []any{"SYSLOG"}, servers.Object(config).At("service", "capabilities"))
	exporters, _ := config["exporters"].(map[string]any)
	delete(exporters, "kubernetes")
	exporters["console"] = map[string]any{"output": "json"}
	exporters["status"] = map[string]any{"endpoint": p.address}
	exporters["prometheus"] = map[string]any{"endpoint": process.FreeAddress(t)}
	changed, err := yaml.Marshal(config)
	require.NoError(t, err)
	inPlace := regexp.MustCompile(`(?m)^( +- )kubernetes$`) // of pipelines
	require.Regexp(t, inPlace, string(changed))
	changed = inPlace.ReplaceAll(changed, []byte("${1}console"))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "otelnpd.yaml"), changed, 0o644))
}

// requireSyslogAlone demands that the agent reads the kernel's log, and has no right but
// that to it.
func (p *chartPod) requireSyslogAlone(t *testing.T) {
	t.Helper()
	var health string
	require.Eventually(t, func() bool {
		_, health = agent.Get(t, "http://"+p.address+"/healthz?verbose")
		return regexp.MustCompile(`(?m)^receiver +kmsg +ok`).MatchString(health)
	}, patience, tick)
	pid, err := strconv.Atoi(p.pid(t))
	require.NoError(t, err)
	requireRights(t, pid, "0000000400000000")
}

// events are those that the container has printed, and match.
func (p *pod) events(t *testing.T, match func(agent.Event) bool) (events []agent.Event) {
	t.Helper()
	text, err := os.ReadFile(p.container.Log)
	require.NoError(t, err)
	for entry := range strings.Lines(string(text)) {
		if !strings.HasSuffix(entry, "\n") {
			break // it is being written
		}
		if _, event, found := strings.Cut(entry, " stdout F "); found {
			var e agent.Event
			require.NoError(t, json.Unmarshal([]byte(event), &e), entry)
			if match(e) {
				events = append(events, e)
			}
		}
	}
	return events
}

// await waits until the container has printed an event.
func (p *pod) await(t *testing.T, match func(agent.Event) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return len(p.events(t, match)) > 0 }, patience, tick)
}

// condition is what the agent shows of one.
func (p *chartPod) condition(t *testing.T, name string) agent.Condition {
	t.Helper()
	a := agent.Agent{Settings: agent.Settings{Status: p.address}}
	return a.Conditions(t)[name]
}

// requireStopsWithin stops the container as the kubelet does, which kills it after the
// time that the Pod has.
func (p *chartPod) requireStopsWithin(t *testing.T) {
	t.Helper()
	require.Zero(t, p.container.StopWithin(t, p.grace))
}
