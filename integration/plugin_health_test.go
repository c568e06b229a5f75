package integration

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// What the plugin health-checker says.
const (
	kubeletSick    = "kubelet:kubelet was found unhealthy; repair flag : true"
	containerdSick = "cri:containerd was found unhealthy; repair flag : true"
	dockerSick     = "docker:docker was found unhealthy; repair flag : true"
)

// justStarted keeps a unit within its cooldown for as long as a test takes: what is still
// to start has been up for no time.
const justStarted = -time.Hour

// pluginHealthTests share an apiserver.
type pluginHealthTests struct{ k *servers.Kubernetes }

// The files that call health-checker come to node-problem-detector's conditions and
// Events, unchanged. The containerd and the D-Bus are real; servers stand in for the
// kubelet and docker, and one on the bus for systemd.
func TestNPDPluginsHealthChecker(t *testing.T) {
	s := pluginHealthTests{startPluginServer(t)}
	t.Run("kubelet and containerd", s.kubeletAndContainerd)
	t.Run("docker", s.docker)
	t.Run("docker without systemd", s.withoutSystemd)
}

// startKubelet starts a server in the place of the kubelet, at the port that
// health-checker asks unless the environment names another: it does if that is taken.
func startKubelet(t *testing.T) (kubelet *probetest.Server, environment []string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:10248")
	if err == nil {
		return probetest.StartServerOn(t, listener), nil
	}
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return probetest.StartServerOn(t, listener), []string{"KUBELET_PORT=" + port}
}

// turns waits until the Node shows a condition of the files as it is to be now, and
// notes the Event.
func (im *pluginImage) turns(t *testing.T, told map[pluginEvent]int, conditionType, status, reason, message string) {
	t.Helper()
	require.Eventually(t, func() bool { return servers.Is(conditionType, status, reason)(im.watch.Last()) }, time.Minute, tick,
		"%s %s %s", conditionType, status, reason)
	require.Equal(t, message, im.watch.Last().Condition(conditionType).Message)
	told[im.files[0].turned(conditionType, status, reason, message)]++
}

// heals is turns, to healthy in the words of the files.
func (im *pluginImage) heals(t *testing.T, told map[pluginEvent]int, conditionType string) {
	t.Helper()
	for _, file := range im.files {
		for _, one := range file.Conditions {
			if one.Type == conditionType {
				im.turns(t, told, conditionType, "False", one.Reason, one.Message)
			}
		}
	}
}

// requireEvents requires that the Events are those, as often, and no others.
func (im *pluginImage) requireEvents(t *testing.T, want map[pluginEvent]int) {
	t.Helper()
	require.Eventually(t, func() bool { return maps.Equal(want, im.events(t)) }, patience, tick, "%v", want)
	im.stop(t)
	require.Equal(t, want, im.events(t))
}

func (s pluginHealthTests) kubeletAndContainerd(t *testing.T) {
	t.Parallel()
	im := newPluginImage(t, s.k, "health-checker-kubelet.json", "health-checker-containerd.json")
	bus := probetest.StartBus(t, "")
	systemd, containerd := probetest.StartSystemd(t, bus), servers.StartContainerd(t, bus.Run)
	kubelet, environment := startKubelet(t)
	im.Run, im.settings.Environment = bus.Run, environment
	systemd.Set("kubelet.service", "active", "running", time.Hour)
	systemd.Set("containerd.service", "active", "running", justStarted)
	systemd.OnKill(func(unit string, _ syscall.Signal) { // it starts it again
		systemd.Set(unit, "active", "running", justStarted)
		if unit == "kubelet.service" {
			kubelet.Be(probetest.Well)
		}
	})
	im.start(t)
	im.requireHealthy(t)
	told := map[pluginEvent]int{}

	kubelet.Be(probetest.Fails)
	containerd.Kill(t)
	im.turns(t, told, kubeletUnhealthy, "True", "KubeletUnhealthy", kubeletSick)
	im.turns(t, told, runtimeUnhealthy, "True", "ContainerdUnhealthy", containerdSick)
	im.heals(t, told, kubeletUnhealthy) // by the repair
	containerd.Restart(t)
	im.heals(t, told, runtimeUnhealthy)
	repaired := []probetest.Kill{{Unit: "kubelet.service", Whom: "main", Signal: syscall.SIGTERM}}
	require.Equal(t, repaired, systemd.Kills(), "containerd has not been up for as long as its cooldown")

	kubelet.Be(probetest.Fails)
	folder := filepath.Dir(containerd.Socket)
	require.NoError(t, os.Rename(folder, folder+".away")) // as where it is not mounted
	im.turns(t, told, kubeletUnhealthy, "True", "KubeletUnhealthy", kubeletSick)
	unseen := "error checking cri health: ask the container runtime: connect to /var/run/containerd/containerd.sock: "
	im.turns(t, told, runtimeUnhealthy, "Unknown", "ContainerRuntimeIsHealthy", unseen[:im.files[1].PluginConfig.MaxOutputLength])
	kubelet.Be(probetest.Well)
	require.NoError(t, os.Rename(folder+".away", folder))
	im.heals(t, told, kubeletUnhealthy)
	im.heals(t, told, runtimeUnhealthy)
	require.Equal(t, repaired, systemd.Kills(), "the kubelet is within its cooldown, and what cannot be known is no reason")

	require.Equal(t, []string{"", "False", "True", "False", "True", "False"}, im.watch.Statuses(t, kubeletUnhealthy))
	require.Equal(t, []string{"", "False", "True", "False", "Unknown", "False"}, im.watch.Statuses(t, runtimeUnhealthy))
	im.requireEvents(t, told)
}

// startDocker starts an image with the file for docker, and a server in its place.
func (s pluginHealthTests) startDocker(t *testing.T, run string) (*pluginImage, *probetest.Server) {
	t.Helper()
	im := newPluginImage(t, s.k, "health-checker-docker.json")
	im.Run = run
	docker := probetest.StartSocket(t, filepath.Join(run, "docker.sock"))
	im.start(t)
	im.requireHealthy(t)
	require.Equal(t, "/containers/json", docker.Asked().URL.Path)
	return im, docker
}

// requireFollows requires that the Node follows a docker that fails and recovers.
func (im *pluginImage) requireFollows(t *testing.T, docker *probetest.Server) {
	t.Helper()
	told := map[pluginEvent]int{}
	docker.Be(probetest.Fails)
	im.turns(t, told, runtimeUnhealthy, "True", "DockerUnhealthy", dockerSick)
	docker.Be(probetest.Well)
	im.heals(t, told, runtimeUnhealthy)
	require.Equal(t, []string{"", "False", "True", "False"}, im.watch.Statuses(t, runtimeUnhealthy))
	im.requireEvents(t, told)
}

func (s pluginHealthTests) docker(t *testing.T) {
	t.Parallel()
	bus := probetest.StartBus(t, "")
	systemd := probetest.StartSystemd(t, bus)
	systemd.Set("docker.service", "active", "running", time.Hour)
	systemd.OnKill(func(unit string, signal syscall.Signal) {
		if signal == syscall.SIGTERM {
			systemd.Set(unit, "active", "running", justStarted)
		}
	})
	im, docker := s.startDocker(t, bus.Run)
	im.requireFollows(t, docker)
	require.Equal(t, []probetest.Kill{
		{Unit: "docker.service", Whom: "main", Signal: syscall.SIGUSR1}, {Unit: "docker.service", Whom: "main", Signal: syscall.SIGTERM},
	}, systemd.Kills())
}

// withoutSystemd is a repair that has nobody to ask.
func (s pluginHealthTests) withoutSystemd(t *testing.T) {
	t.Parallel()
	im, docker := s.startDocker(t, probetest.ShortDir(t))
	im.requireFollows(t, docker)
}
