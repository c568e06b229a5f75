package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// rig is a Node, and how the agent on it is configured: it reaches the apiserver
// through a proxy, as the detector. Its rules see none but the lines that begin with
// its tag, so that tests run beside each other on one kernel log.
type rig struct {
	k        *servers.Kubernetes
	log      *kernellog.Log
	tag      string
	proxy    *faultproxy.Proxy
	watch    *servers.NodeWatch
	settings agent.Settings
}

// The condition of a rig and its reasons.
const (
	deadlock   = "KernelDeadlock"
	dockerHung = "DockerHung"
	noDeadlock = "KernelHasNoDeadlock"
)

// kubernetesTests share an apiserver and hold the kernel's log.
type kubernetesTests struct {
	k   *servers.Kubernetes
	log *kernellog.Log
	// stopped is an apiserver of the test's that stops it.
	stopped *servers.Kubernetes
}

// rig makes a rig whose Node does not exist yet. More are keys of the exporter.
func (s kubernetesTests) rig(t testing.TB, more ...string) *rig {
	t.Helper()
	r := &rig{k: s.k, log: s.log, tag: kernellog.Tag(), settings: agent.NewSettings(t)}
	r.proxy = faultproxy.Start(t, s.k.URL, s.k.CAFile)
	r.settings.Node = "node-" + r.tag
	r.settings.Packs = ""
	r.settings.Conditions = `{` + deadlock + `: {healthy: {reason: ` + noDeadlock + `, message: kernel has no deadlock}}}`
	r.settings.Rules = fmt.Sprintf(`rules: [
    {id: hung, pattern: '^%[1]s hung (?P<task>\S+)$', condition: %[2]s, reason: %[3]s, message: 'task {task} is hung'},
    {id: problem, pattern: '^%[1]s problem (?P<what>.+)$', reason: Problem, message: 'problem {what}'}]`, r.tag, deadlock, dockerHung)
	r.settings.Kubernetes = agent.KubernetesKeys(r.kubeconfig(servers.Detector).Write(t), more...)
	r.watch = s.k.WatchNode(t, r.settings.Node)
	return r
}

// rigOnNode makes a rig whose Node exists and was registered in this boot.
func (s kubernetesTests) rigOnNode(t testing.TB, more ...string) *rig {
	t.Helper()
	r := s.rig(t, more...)
	r.k.CreateNode(t, servers.Node{Name: r.settings.Node, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	return r
}

func (r *rig) kubeconfig(user string) servers.Kubeconfig {
	return servers.Kubeconfig{Server: r.proxy.URL, CAFile: r.proxy.CAFile, Token: user}
}

// ready is a condition of another writer.
func ready() servers.NodeCondition {
	now := time.Now().Truncate(time.Second)
	return servers.NodeCondition{Type: "Ready", Status: "True", Reason: "KubeletReady", Message: "kubelet is ready",
		LastHeartbeatTime: now, LastTransitionTime: now}
}

func bootID(t testing.TB) string {
	t.Helper()
	return wordIn(t, "/proc/sys/kernel/random/boot_id")
}

func machineID(t testing.TB) string {
	t.Helper()
	return wordIn(t, "/etc/machine-id")
}

func wordIn(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.TrimSpace(string(content))
}

// start starts the agent and returns once everything of it works.
func (r *rig) start(t testing.TB) *agent.Agent {
	t.Helper()
	return agent.StartReady(t, binary, r.settings)
}

// startDegraded starts the agent and returns once it answers and reads the kernel's
// log: the exporter may not work.
func (r *rig) startDegraded(t testing.TB) *agent.Agent {
	t.Helper()
	a := agent.Start(t, binary, r.settings)
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/healthz", nil))
	waitComponent(t, a, "receiver", "kmsg", "ok")
	return a
}

// problem writes a line that makes an Event alone, hang one that sets the condition.
func (r *rig) problem(t testing.TB, what string) { t.Helper(); r.log.Write(t, r.tag+" problem "+what) }
func (r *rig) hang(t testing.TB, task string)    { t.Helper(); r.log.Write(t, r.tag+" hung "+task) }

// clear ends the condition for the operator.
func (r *rig) clear(t testing.TB) {
	t.Helper()
	r.command(t, "conditions", "clear", deadlock, "--socket", r.settings.Socket)
}

// command runs a command of the agent, which must succeed.
func (r *rig) command(t testing.TB, args ...string) {
	t.Helper()
	result := agent.Run(t, binary, "", args...)
	require.Zero(t, result.ExitCode, "otelnpd %v: %s%s", args, result.Stdout, result.Stderr)
}

// waitCondition waits until the Node shows the condition, or has shown it.
func (r *rig) waitCondition(t testing.TB, status, reason string) servers.NodeCondition {
	t.Helper()
	return r.watch.WaitFor(t, deadlock+" "+status+" "+reason, 0, servers.Is(deadlock, status, reason)).Condition(deadlock)
}

// waitHeartbeats waits for patches that are begun from now on and taken.
func (r *rig) waitHeartbeats(t testing.TB, count int) {
	t.Helper()
	now := time.Now()
	r.proxy.WaitFor(t, "heartbeats", count, func(request faultproxy.Request) bool {
		return request.Method == http.MethodPatch && request.At.After(now) && request.Done == http.StatusOK
	})
}

// events returns the Node's Events with a reason.
func (r *rig) events(t testing.TB, reason string) []servers.Event {
	t.Helper()
	return slices.DeleteFunc(r.k.Events(t, "default", r.settings.Node), func(e servers.Event) bool { return e.Reason != reason })
}

// waitEvents waits until the Node has as many Events with a reason and returns them.
func (r *rig) waitEvents(t testing.TB, reason string, count int) []servers.Event {
	t.Helper()
	return r.waitEventsThat(t, reason, strconv.Itoa(count), func(events []servers.Event) bool { return len(events) >= count })
}

func (r *rig) waitEventsThat(t testing.TB, reason, what string, enough func([]servers.Event) bool) []servers.Event {
	t.Helper()
	var events []servers.Event
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		events = r.events(t, reason)
		if enough(events) {
			return events
		}
		require.True(t, time.Now().Before(deadline), "Events %s: want %s, have %+v", reason, what, events)
	}
}

// requireProblems waits until each of the problems has its Event, once, in the order
// in which they were written.
func (r *rig) requireProblems(t testing.TB, want ...string) {
	t.Helper()
	events := r.waitEvents(t, "Problem", len(want))
	names := map[string]bool{}
	var told []string
	for i, e := range events {
		told = append(told, strings.TrimPrefix(e.Message, "problem "))
		require.Equal(t, 1, e.Count, "%+v", e)
		require.True(t, strings.HasPrefix(e.Metadata.Name, r.settings.Node+"."), e.Metadata.Name)
		names[e.Metadata.Name] = true
		if i > 0 {
			require.False(t, e.FirstTimestamp.Before(events[i-1].FirstTimestamp), "%+v", events)
		}
	}
	require.Equal(t, want, told)
	require.Len(t, names, len(want))
}

// component is what /healthz tells of a component.
type component struct{ Kind, ID, State, Reason, Remedy string }

// componentOf returns how the agent says that a component of it does. One that has not
// begun has no state.
func componentOf(t testing.TB, a *agent.Agent, kind, id string) component {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Status+"/healthz?verbose", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var report struct{ Components []component }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&report))
	require.Equal(t, http.StatusOK, response.StatusCode, "what is degraded needs no restart: %+v", report)
	for _, c := range report.Components {
		if c.Kind == kind && c.ID == id {
			return c
		}
	}
	return component{}
}

// waitExporter waits until the agent says that its exporter kubernetes is in a
// state.
func waitExporter(t testing.TB, a *agent.Agent, state string) component {
	t.Helper()
	return waitComponent(t, a, "exporter", "kubernetes", state)
}

func waitComponent(t testing.TB, a *agent.Agent, kind, id, state string) component {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(tick) {
		c := componentOf(t, a, kind, id)
		if c.State == state {
			return c
		}
		require.True(t, time.Now().Before(deadline), "want %s: %+v", state, c)
	}
}

// patchesSince returns how many patches of the Node were begun since then, and taken.
func (r *rig) patchesSince(begun time.Time) int {
	return len(r.proxy.Requests(func(request faultproxy.Request) bool {
		return request.Method == http.MethodPatch && request.At.After(begun) && request.Done == http.StatusOK
	}))
}
