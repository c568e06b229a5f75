package integration

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	images "github.com/otelnpd/otelnpd/integration/image"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// imageMonitors is an image with all that its monitors ask and what its exporters tell.
type imageMonitors struct {
	*image
	root            string // of the image
	pod             agent.Pod
	settings        agent.Settings
	google          *google
	systemd         *probetest.Systemd
	kubelet, docker *probetest.Server
	containerd      *servers.Containerd
	net, hosts      string // in the places of /proc/sys/net and /etc/hosts
}

// resolved is an /etc/hosts with the name of the cluster's own service.
const resolved = "127.0.0.1 localhost\n10.0.0.1 kubernetes.default\n"

func newImageMonitors(t *testing.T, k *servers.Kubernetes) *imageMonitors {
	t.Helper()
	m := &imageMonitors{root: images.Root(t, images.Compat), settings: agent.NewSettings(t), google: startGoogle(t)}
	bus := probetest.StartBus(t, "")
	m.systemd, m.containerd = probetest.StartSystemd(t, bus), servers.StartContainerd(t, bus.Run)
	m.docker = probetest.StartSocket(t, filepath.Join(bus.Run, "docker.sock"))
	var environment []string
	m.kubelet, environment = startKubelet(t)
	for _, unit := range []string{"kubelet.service", "docker.service", "containerd.service"} {
		m.systemd.Set(unit, "active", "running", time.Hour)
	}
	m.systemd.OnKill(func(unit string, _ syscall.Signal) { // it starts it again
		m.systemd.Set(unit, "active", "running", 0)
		if unit == "kubelet.service" {
			m.kubelet.Be(probetest.Well)
		}
	})
	m.net, m.hosts = t.TempDir(), filepath.Join(t.TempDir(), "hosts")
	track(t, m.net, 9)
	require.NoError(t, os.WriteFile(m.hosts, []byte(resolved), 0o644))
	m.pod = agent.Pod{
		Root: m.root,
		Mounts: []string{
			serviceAccount(t, k), serviceAccountFolder, m.google.authorities, "/etc/ssl/certs/ca-certificates.crt",
			m.onLoopback(t, "exporter/stackdriver-exporter.json"), "/config/exporter/stackdriver-exporter.json",
			filepath.Join(bus.Run, "dbus"), "/run/dbus", filepath.Join(bus.Run, "containerd"), "/run/containerd",
			m.docker.Socket, "/run/docker.sock", m.net, "/mnt/net", m.hosts, "/etc/hosts",
		},
		Environment: append(environment, "GCE_METADATA_HOST="+m.google.metadata.Host, "PROC_SYS_NET=/mnt/net"),
	}
	return m
}

// onLoopback writes a copy of the image's file for Stackdriver whose endpoint is on
// loopback and which writes as often as Cloud Monitoring takes points.
func (m *imageMonitors) onLoopback(t *testing.T, name string) (path string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, "config", name))
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, json.Unmarshal(text, &file))
	require.Equal(t, "monitoring.googleapis.com:443", file["apiEndpoint"])
	file["apiEndpoint"], file["exportPeriod"] = m.google.Address, "5s"
	text, err = json.Marshal(file)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), filepath.Base(name))
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return path
}

// start starts the Pod for the first time.
func (m *imageMonitors) start(t *testing.T, im *image) *agent.Agent {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(m.root, "config/*.json"))
	require.NoError(t, err)
	var plugins []string
	for _, path := range paths {
		if file, custom := readPlugins(t, path); custom {
			im.plugins, plugins = append(im.plugins, file), append(plugins, path)
		}
	}
	require.Len(t, plugins, 9)
	inImage := func(paths []string) string { return strings.ReplaceAll(strings.Join(paths, ","), m.root, "") }
	m.pod.Mounts = append(m.pod.Mounts, im.logs.folder, "/var/log")
	m.pod.Environment = append(m.pod.Environment, onNode(t, im.k, im.node)...)
	im.expectUnwell(m.askPlugins(t))
	m.pod.Command = append([]string{
		"/node-problem-detector", "--config.system-log-monitor=" + inImage(im.paths()), "--config.custom-plugin-monitor=" + inImage(plugins),
		"--config.system-stats-monitor=/config/system-stats-monitor.json,/config/net-cgroup-system-stats-monitor.json",
		"--exporter.stackdriver=/config/exporter/stackdriver-exporter.json",
	}, agent.NPDPorts(t, m.settings)...)
	return m.run(t)
}

var degradedLine = regexp.MustCompile(`(?m)^\S+ +(\S+) +degraded`)

// run starts the Pod and returns once its monitors run: all are well but for the one that
// cannot see the file systems of the node.
func (m *imageMonitors) run(t *testing.T) *agent.Agent {
	t.Helper()
	a := agent.StartPod(t, m.settings, m.pod)
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/healthz", nil))
	var health string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(tick) {
		_, health = agent.Get(t, "http://"+a.Status+"/healthz?verbose")
		found := degradedLine.FindAllStringSubmatch(health, -1)
		if len(found) == 1 && found[0][1] == "hoststats/system-stats-monitor" && strings.Contains(health, "whether / is the root directory of the host") {
			return a
		}
	}
	require.FailNow(t, "not as it is to be: "+health)
	return nil
}

// readPlugins reads a file of the image, if it is a custom plugin monitor.
func readPlugins(t *testing.T, path string) (file pluginFile, custom bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var what struct{ Plugin string }
	require.NoError(t, json.Unmarshal(text, &what), path)
	if what.Plugin != "custom" {
		return file, false
	}
	require.NoError(t, json.Unmarshal(text, &file), path)
	return file, true
}

// answer is what a plugin has said.
type answer struct {
	code    int
	message string
}

// askPlugins runs the image's plugins in shell as the agent does, and requires that
// those say that all is well for which all is.
func (m *imageMonitors) askPlugins(t *testing.T) map[string]answer {
	t.Helper()
	answers := map[string]answer{}
	for _, plugin := range []string{"check_ntp.sh", "network_problem.sh", "dns_problem.sh", "iptables_mode.sh"} {
		pod := m.pod
		pod.Command = []string{"/config/plugin/" + plugin}
		p := agent.StartPod(t, m.settings, pod)
		code := p.Wait(t, patience)
		answers[plugin] = answer{code, strings.TrimSpace(p.Log())}
	}
	t.Logf("iptables on this machine: %+v", answers["iptables_mode.sh"])
	require.Equal(t, answer{2, "Could not find 'systemctl' - require systemd"}, answers["check_ntp.sh"])
	require.Equal(t, answer{0, "Conntrack table available"}, answers["network_problem.sh"])
	require.Equal(t, answer{0, "DNS lookup to kubernetes.default is working"}, answers["dns_problem.sh"])
	return answers
}
