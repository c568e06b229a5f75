package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// The conditions of the receiver health.
const (
	kubeletUnhealthy = "KubeletUnhealthy"
	runtimeUnhealthy = "ContainerRuntimeUnhealthy"
)

// healthTests share an apiserver.
type healthTests struct{ kubernetesTests }

// The receiver health, on a real apiserver, a real containerd and a real D-Bus.
func TestHealth(t *testing.T) {
	s := healthTests{kubernetesTests{k: servers.StartKubernetes(t)}}
	t.Run("the Node follows containerd", s.containerd)
	t.Run("the Node follows the kubelet", s.kubeletEndpoint)
	t.Run("what cannot be seen is no problem", s.unseen)
	t.Run("repair keeps to its limits over a kill", s.repair)
	t.Run("a dry run touches nothing", s.dryRun)
}

// healthRig makes a rig whose agent has the receiver in place of kmsg.
func (s healthTests) healthRig(t *testing.T, keys string) *rig {
	t.Helper()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	r.settings.Health = "{interval: 1s, timeout: 2s, start_grace: 0s, " + keys + "}"
	return r
}

// follow waits until the Node shows the status, and requires that the time is the one
// at which the verdict turned it, exactly, and stays.
func (r *rig) follow(t *testing.T, a *agent.Agent, conditionType, status, reason, message string, since time.Time) {
	t.Helper()
	is := servers.Is(conditionType, status, reason)
	seen := len(r.watch.Seen(t))
	shown := r.watch.WaitFor(t, conditionType+" "+status, max(0, seen-1), is).Condition(conditionType)
	require.Contains(t, shown.Message, message)
	turned := a.Console.WaitFor(t, conditionType+" "+status, func(e agent.Event) bool {
		return agent.Turned(conditionType, status, reason)(e) && e.StatusChanged && !e.Time.Before(since.Truncate(time.Second))
	})
	require.Equal(t, turned.LastTransitionTime.UTC(), shown.LastTransitionTime.UTC())
	require.WithinRange(t, shown.LastTransitionTime, since.Truncate(time.Second), time.Now())
	r.waitHeartbeats(t, 2)
	require.Equal(t, shown.LastTransitionTime, r.k.Node(t, r.settings.Node).Condition(conditionType).LastTransitionTime)
}

func (s healthTests) containerd(t *testing.T) {
	t.Parallel()
	r := s.healthRig(t, "kubelet: {enabled: false}, container_runtime: {failure_threshold: 3}")
	containerd := servers.StartContainerd(t, r.settings.Run)
	a := r.start(t)
	healthy := func(since time.Time) {
		r.follow(t, a, runtimeUnhealthy, "False", "ContainerRuntimeIsHealthy", "the container runtime answers", since)
	}
	unhealthy := func(since time.Time, message string) {
		r.follow(t, a, runtimeUnhealthy, "True", "ContainerdUnhealthy", message, since)
	}
	r.watch.WaitFor(t, "healthy", 0, servers.Is(runtimeUnhealthy, "False", "ContainerRuntimeIsHealthy"))

	asked := func(code int, timeout, output string) {
		t.Helper()
		result := agent.Run(t, binary, "", "health-checker", "--component=cri", "--enable-repair=false", "--cri-timeout="+timeout, "--cri-socket-path=unix://"+containerd.Socket)
		require.Equal(t, code, result.ExitCode, "%s%s", result.Stdout, result.Stderr)
		require.Equal(t, output, result.Stdout)
	}
	asked(0, "10s", "")

	now := time.Now()
	containerd.Signal(t, unix.SIGSTOP) // its kernel still accepts
	unhealthy(now, "for its version: no answer within 2s")
	asked(1, "500ms", "cri:containerd was found unhealthy; repair flag : false\n")
	now = time.Now()
	containerd.Signal(t, unix.SIGCONT)
	healthy(now)

	now = time.Now()
	containerd.Kill(t)
	unhealthy(now, "connection refused")
	now = time.Now()
	containerd.Restart(t)
	healthy(now)

	now = time.Now()
	require.NoError(t, os.Remove(containerd.Socket))
	unhealthy(now, "there is no socket: the service does not run")
	containerd.Kill(t)
	now = time.Now()
	containerd.Restart(t)
	healthy(now)

	require.Equal(t, []string{"", "False", "True", "False", "True", "False", "True", "False"}, r.watch.Statuses(t, runtimeUnhealthy))
	events := r.waitEvents(t, "ContainerdUnhealthy", 1)
	total := 0
	for _, e := range events {
		total += e.Count
	}
	require.Equal(t, 3, total, "%+v", events)
}

func (s healthTests) kubeletEndpoint(t *testing.T) {
	t.Parallel()
	kubelet := probetest.StartServer(t)
	r := s.healthRig(t, "container_runtime: {enabled: false}, kubelet: {failure_threshold: 3, url: '"+kubelet.URL+"'}")
	a := r.start(t)
	r.watch.WaitFor(t, "healthy", 0, servers.Is(kubeletUnhealthy, "False", "KubeletIsHealthy"))
	statuses := []string{"", "False"}
	for _, bad := range []struct {
		manner  probetest.Manner
		message string
	}{
		{probetest.Fails, "500 Internal Server Error: [+]ping ok [-]syncloop failed"},
		{probetest.Hangs, "no answer within 2s"},
		{probetest.Drips, "no answer within 2s"},
	} {
		now := time.Now()
		kubelet.Be(bad.manner)
		r.follow(t, a, kubeletUnhealthy, "True", "KubeletUnhealthy", bad.message, now)
		now = time.Now()
		kubelet.Be(probetest.Endless) // it is well, if long-winded
		r.follow(t, a, kubeletUnhealthy, "False", "KubeletIsHealthy", "the kubelet answers", now)
		statuses = append(statuses, "True", "False")
	}
	now := time.Now()
	kubelet.Stop()
	r.follow(t, a, kubeletUnhealthy, "True", "KubeletUnhealthy", "connection refused", now)
	require.Equal(t, append(statuses, "True"), r.watch.Statuses(t, kubeletUnhealthy))
}

// unseen is an agent in a container that lacks mounts and the node's network.
func (s healthTests) unseen(t *testing.T) {
	t.Parallel()
	r := s.healthRig(t, "kubelet: {url: 'http://"+process.FreeAddress(t)+"/healthz'}")
	proc := filepath.Join(t.TempDir(), "proc")
	require.NoError(t, os.MkdirAll(filepath.Join(proc, "sys/kernel/random"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(proc, "sys/kernel/random/boot_id"), []byte(bootID(t)+"\n"), 0o600))
	r.settings.Host = "proc: '" + proc + "'"
	a := agent.Start(t, binary, r.settings)
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/healthz", nil))
	degraded := waitComponent(t, a, "receiver", "health", "degraded")
	require.Contains(t, degraded.Remedy, "mount")
	for _, conditionType := range []string{kubeletUnhealthy, runtimeUnhealthy} {
		shown := r.watch.WaitFor(t, conditionType, 0, servers.Is(conditionType, "Unknown", "HealthUnknown"))
		require.NotEmpty(t, shown.Condition(conditionType).Message)
	}
	r.waitHeartbeats(t, 5)
	for _, conditionType := range []string{kubeletUnhealthy, runtimeUnhealthy} {
		require.Equal(t, []string{"", "Unknown"}, r.watch.Statuses(t, conditionType))
	}
	require.Empty(t, r.events(t, "KubeletUnhealthy"))
	require.Empty(t, r.events(t, "ContainerdUnhealthy"))
}

// sickKubelet makes a rig whose kubelet is not well, and whose unit stands in for the
// real one: it has been up for longer than the cooldown.
func (s healthTests) sickKubelet(t *testing.T, repair string) (*rig, *probetest.Systemd) {
	t.Helper()
	kubelet := probetest.StartServer(t)
	kubelet.Be(probetest.Fails)
	r := s.healthRig(t, fmt.Sprintf("container_runtime: {enabled: false}, kubelet: {failure_threshold: 2, url: '%s'}, repair: {enabled: true, cooldown: 10s, %s}", kubelet.URL, repair))
	bus := probetest.StartBus(t, "")
	r.settings.Run = bus.Run
	r.settings = r.settings.Durable(t)
	systemd := probetest.StartSystemd(t, bus)
	systemd.Set("kubelet.service", "active", "running", time.Minute)
	systemd.OnKill(func(unit string, _ syscall.Signal) { systemd.Set(unit, "active", "running", 0) })
	return r, systemd
}

func waitKills(t *testing.T, systemd *probetest.Systemd, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(systemd.Kills()) >= n }, time.Minute, tick, "%d kills", n)
}

func repairs(t *testing.T, a *agent.Agent, result string) float64 {
	t.Helper()
	return a.Sum(t, "otelnpd_health_repairs_total", map[string]string{"check": "kubelet", "result": result})
}

func (s healthTests) repair(t *testing.T) {
	t.Parallel()
	r, systemd := s.sickKubelet(t, "max_per_hour: 2")
	kills := make(chan time.Time, 60) // more than may come
	systemd.OnKill(func(unit string, _ syscall.Signal) {
		kills <- time.Now()
		systemd.Set(unit, "active", "running", 0)
	})
	a := r.start(t)
	waitKills(t, systemd, 1)
	require.Equal(t, "True", r.k.Node(t, r.settings.Node).Condition(kubeletUnhealthy).Status, "it is told before anything is touched")
	a.Kill(t)
	a = r.start(t)
	waitKills(t, systemd, 2)
	first, second := <-kills, <-kills
	require.GreaterOrEqual(t, second.Sub(first), 9*time.Second, "not within the cooldown")
	a.Kill(t)
	a = r.start(t)
	require.Eventually(t, func() bool { return repairs(t, a, "limited") >= 15 }, time.Minute, tick)
	require.Zero(t, repairs(t, a, "killed"))
	killed := probetest.Kill{Unit: "kubelet.service", Whom: "main", Signal: syscall.SIGKILL}
	require.Equal(t, []probetest.Kill{killed, killed}, systemd.Kills())

	total := 0
	for _, e := range r.waitEvents(t, "ServiceRepair", 1) {
		require.Equal(t, "Warning", e.Type)
		require.True(t, strings.HasPrefix(e.Message, "kubelet.service was killed, so that systemd starts it again: GET "), e.Message)
		total += e.Count
	}
	require.LessOrEqual(t, total, 2)
	require.GreaterOrEqual(t, total, 1)
	require.Equal(t, []string{"", "True"}, without(r.watch.Statuses(t, kubeletUnhealthy), "Unknown"))
}

func without(all []string, one string) (kept []string) {
	for _, text := range all {
		if text != one {
			kept = append(kept, text)
		}
	}
	return kept
}

func (s healthTests) dryRun(t *testing.T) {
	t.Parallel()
	r, systemd := s.sickKubelet(t, "max_per_hour: 1, dry_run: true")
	a := r.start(t)
	require.Eventually(t, func() bool { return repairs(t, a, "limited") >= 3 }, time.Minute, tick)
	require.InDelta(t, 1, repairs(t, a, "dry_run"), 0)
	require.Empty(t, systemd.Kills())
	events := r.waitEvents(t, "ServiceRepair", 1)
	require.Len(t, events, 1)
	require.Contains(t, events[0].Message, "kubelet.service would be killed")
}
