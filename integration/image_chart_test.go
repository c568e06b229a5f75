package integration

import (
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/otelnpd/otelnpd/integration/agent"
	images "github.com/otelnpd/otelnpd/integration/image"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// daemonSet is what is asked of the DaemonSet of a rendered chart.
type daemonSet struct {
	Kind string
	Spec struct{ Template struct{ Spec podSpec } }
}

type podSpec struct {
	HostNetwork                   bool  `yaml:"hostNetwork"`
	HostPID                       bool  `yaml:"hostPID"`
	TerminationGracePeriodSeconds int64 `yaml:"terminationGracePeriodSeconds"`
	Containers                    []containerSpec
	Volumes                       []struct {
		Name     string
		HostPath struct{ Path string } `yaml:"hostPath"`
	}
}

type containerSpec struct {
	Command, Args   []string
	SecurityContext map[string]any `yaml:"securityContext"`
	VolumeMounts    []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

// The command line of node-problem-detector's chart, in the image that takes its place,
// on a Node: with the Pod's own credentials, on the ports that the chart names, with no
// more capabilities than it needs.
func TestChartInImage(t *testing.T) {
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("OTELNPD_SHARED names no folder with a rendered chart")
	}
	rendered, err := os.ReadFile(filepath.Join(shared, "npd-config/chart/rendered.yaml"))
	require.NoError(t, err)
	container := podSpecOf(t, string(rendered)).Containers[0]
	k, log, root := servers.StartKubernetes(t), kernellog.Open(t), images.Root(t, images.Compat)
	files := filesOfCommand(t, root, strings.Join(container.Command, " "))
	require.Len(t, files, 3)
	im := startImage(t, k, log, files, func(im *image) *agent.Agent {
		pod := agent.Pod{Root: root, Command: container.Command}
		sources := map[string]string{"log": im.logs.folder, "localtime": filepath.Join(root, "usr/share/zoneinfo/Asia/Tokyo"), "custom-config": t.TempDir()}
		for _, mount := range container.VolumeMounts {
			require.Contains(t, sources, mount.Name)
			pod.Mounts = append(pod.Mounts, sources[mount.Name], mount.MountPath)
		}
		pod.Mounts = append(pod.Mounts, serviceAccount(t, k), serviceAccountFolder)
		pod.Environment = onNode(t, k, im.node)
		settings := agent.Settings{Status: "127.0.0.1:20256", Metrics: "127.0.0.1:20257"}
		waitFree(t, settings.Status, settings.Metrics)
		a := agent.StartPod(t, settings, pod)
		a.WaitReady(t, a.Ready())
		return a
	})
	im.check(t)
	requireRights(t, im.agent.PID(), "0000000400000404") // of all that privileged gives
	im.agent.Signal(t, syscall.SIGTERM)
	require.Zero(t, im.agent.Wait(t, patience))
}

// podSpecOf is the Pod of the DaemonSet among a chart's objects.
func podSpecOf(t *testing.T, manifest string) podSpec {
	t.Helper()
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		if strings.Contains(document, "\nkind: DaemonSet\n") {
			var d daemonSet
			require.NoError(t, yaml.Unmarshal([]byte(document), &d))
			return d.Spec.Template.Spec
		}
	}
	require.FailNow(t, "no DaemonSet in the chart")
	return podSpec{}
}

// filesOfCommand are the system log monitors that a command line names, as the image
// has them.
func filesOfCommand(t *testing.T, root, command string) (files []npdFile) {
	t.Helper()
	_, after, found := strings.Cut(command, "--config.system-log-monitor=")
	require.True(t, found, command)
	for name := range strings.SplitSeq(strings.Fields(after)[0], ",") {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		f := npdFile{path: path}
		require.NoError(t, json.Unmarshal(text, &f))
		files = append(files, f)
	}
	return files
}

// onNode is the environment of a Pod on a Node, as its DaemonSet and the kubelet set it.
func onNode(t *testing.T, k *servers.Kubernetes, node string) []string {
	t.Helper()
	address, err := url.Parse(k.URL)
	require.NoError(t, err)
	return []string{"NODE_NAME=" + node, "KUBERNETES_SERVICE_HOST=" + address.Hostname(), "KUBERNETES_SERVICE_PORT=" + address.Port()}
}

const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

// serviceAccount makes the folder that a kubelet mounts into a Pod.
func serviceAccount(t *testing.T, k *servers.Kubernetes) (folder string) {
	t.Helper()
	folder = t.TempDir()
	certificate, err := os.ReadFile(k.CAFile)
	require.NoError(t, err)
	for name, content := range map[string]string{"ca.crt": string(certificate), "token": servers.Detector, "namespace": "default"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	return folder
}

// waitFree returns once nobody listens on addresses.
func waitFree(t *testing.T, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		require.Eventually(t, func() bool {
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
			return err == nil && listener.Close() == nil
		}, time.Minute, 100*time.Millisecond, "another process listens on %s, which the chart takes", address)
	}
}
