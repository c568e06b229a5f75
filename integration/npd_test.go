package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// monitor writes a system log monitor on the kernel's log whose rules see none but
// the rig's lines.
func (r *rig) monitor(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kernel-monitor.json")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `{
		"plugin": "kmsg", "logPath": "/dev/kmsg", "lookback": "0", "bufferSize": 10, "source": "kernel-monitor",
		"conditions": [{"type": %[2]q, "reason": %[3]q, "message": "kernel has no deadlock"}],
		"rules": [
			{"type": "temporary", "reason": "TaskHung", "pattern": "%[1]s hung .*"},
			{"type": "permanent", "condition": %[2]q, "reason": %[4]q, "pattern": "%[1]s hung docker.*"}
		]}`, r.tag, deadlock, noDeadlock, dockerHung), 0o600))
	return path
}

// npd starts the agent as node-problem-detector, on the rig's Node, and returns once
// it answers and reads the kernel's log.
func (r *rig) npd(t testing.TB, flags ...string) *agent.Agent {
	t.Helper()
	a := agent.StartNPD(t, binary, r.settings, r.npdFlags(t, flags...)...)
	for _, url := range []string{"http://" + a.Metrics + "/metrics", "http://" + a.Status + "/healthz"} {
		a.WaitReady(t, process.Answers200(http.DefaultClient, url, nil))
	}
	waitComponent(t, a, "receiver", "kmsg/kernel-monitor", "ok")
	return a
}

// npdFlags are node-problem-detector's flags for the rig, but for its ports.
func (r *rig) npdFlags(t testing.TB, more ...string) []string {
	t.Helper()
	return append([]string{
		"--logtostderr", "-v=2",
		"--config.system-log-monitor=" + r.monitor(t),
		"--apiserver-override=" + r.proxy.URL + "?inClusterConfig=false&auth=" + r.kubeconfig(servers.Detector).Write(t),
		"--hostname-override=" + r.settings.Node,
	}, more...)
}

// The command line of node-problem-detector: the same types, reasons, sources and
// messages, where it looks for them.
func (s kubernetesTests) npdCommandLine(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	a := r.npd(t, "--k8s-exporter-heartbeat-period=1s", "--event-namespace=kube-system")
	before := r.waitCondition(t, "False", noDeadlock)
	require.Equal(t, "kernel has no deadlock", before.Message)
	r.waitHeartbeats(t, 3)

	r.hang(t, "docker:7")
	line := r.tag + " hung docker:7"
	require.Equal(t, line, r.waitCondition(t, "True", dockerHung).Message)
	want := map[string]string{
		"TaskHung": line,
		dockerHung: fmt.Sprintf("Node condition %s is now: True, reason: %s, message: %q", deadlock, dockerHung, line),
	}
	var events []servers.Event
	require.Eventually(t, func() bool {
		events = r.k.Events(t, "kube-system", r.settings.Node)
		return len(events) == len(want)
	}, patience, tick)
	for _, e := range events {
		require.Equal(t, want[e.Reason], e.Message)
		require.Equal(t, "Warning", e.Type)
		require.Equal(t, "kernel-monitor", e.Source.Component)
		require.Equal(t, "kernel-monitor", e.ReportingComponent)
		require.Equal(t, r.settings.Node, e.Source.Host)
		require.Equal(t, r.settings.Node, e.ReportingInstance)
		require.Equal(t, "kube-system", e.InvolvedObject.Namespace)
		require.Equal(t, r.k.Node(t, r.settings.Node).UID, e.InvolvedObject.UID)
	}
	require.Equal(t, "True", a.Conditions(t)[deadlock].Status)
	require.InDelta(t, 1, a.Sum(t, "problem_gauge", map[string]string{"type": deadlock, "reason": dockerHung}), 0)
	require.InDelta(t, 1, a.Sum(t, "problem_counter", map[string]string{"reason": "TaskHung"}), 0)
	status, _ := agent.Get(t, "http://"+a.Status+"/debug/pprof/cmdline")
	require.Equal(t, http.StatusOK, status)
}

// Each flag of the Kubernetes exporter has its effect.
func (s kubernetesTests) npdFlags(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flags  []string
		effect func(t *testing.T, r *rig, a *agent.Agent)
	}{
		"no Events": {[]string{"--k8s-exporter-write-events=false"}, func(t *testing.T, r *rig, _ *agent.Agent) {
			t.Helper()
			r.waitCondition(t, "True", dockerHung)
			require.Empty(t, r.proxy.Requests(faultproxy.Is(http.MethodPut, "")))
		}},
		"no conditions": {[]string{"--k8s-exporter-update-node-conditions=false"}, func(t *testing.T, r *rig, _ *agent.Agent) {
			t.Helper()
			r.waitEvents(t, dockerHung, 1)
			require.Empty(t, r.proxy.Requests(faultproxy.Is(http.MethodPatch, "")))
		}},
		"no Kubernetes": {[]string{"--enable-k8s-exporter=false"}, func(t *testing.T, r *rig, a *agent.Agent) {
			t.Helper()
			require.Eventually(t, func() bool { return a.Conditions(t)[deadlock].Status == "True" }, patience, tick)
			require.Empty(t, r.proxy.Requests(func(faultproxy.Request) bool { return true }))
		}},
		"a rate of requests": {[]string{"--kube-api-qps=2", "--kube-api-burst=1"}, func(t *testing.T, r *rig, _ *agent.Agent) {
			t.Helper()
			for n := range 8 {
				r.hang(t, fmt.Sprint("task:", n))
			}
			r.waitEvents(t, "TaskHung", 9)
			r.waitEvents(t, dockerHung, 1)
			all := r.proxy.Requests(func(faultproxy.Request) bool { return true })
			require.Greater(t, len(all), 10)
			took := all[len(all)-1].At.Sub(all[0].At)
			// The first is seen after its connection was made, and the way through the proxy
			// takes its time, now more, now less.
			require.GreaterOrEqual(t, took, time.Duration(len(all)-1)*500*time.Millisecond-2500*time.Millisecond)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.rigOnNode(t)
			a := r.npd(t, test.flags...)
			r.hang(t, "docker:7")
			test.effect(t, r, a)
		})
	}
}

// The wait flags: the Node is tried each interval until it is seen; after the timeout
// a warning follows, and it is tried on.
func (s kubernetesTests) npdWaits(t *testing.T) {
	t.Parallel()
	r := s.rig(t)
	a := r.npd(t, "--apiserver-wait-interval=500ms", "--apiserver-wait-timeout=2s")
	tries := r.proxy.WaitFor(t, "tries", 8, faultproxy.Is(http.MethodGet, "/nodes/"))
	require.Greater(t, tries[7].At.Sub(tries[0].At).Seconds(), 7*0.5-0.3, "no faster than asked for")
	require.Contains(t, a.Log(), "the Node could not be read yet")
	r.k.CreateNode(t, servers.Node{Name: r.settings.Node, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	r.waitCondition(t, "False", noDeadlock)
}
