package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// detector is node-problem-detector on the rig's Node, as the API server sees it: it tells
// all its conditions in each patch, all healthy when it starts, and makes Events by POST.
type detector struct {
	*rig
	conditions []servers.NodeCondition
}

// startDetector is a start of node-problem-detector with the rig's monitor. It remembers
// nothing of what it has told before.
func (r *rig) startDetector(t testing.TB) *detector {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	d := &detector{rig: r, conditions: []servers.NodeCondition{{
		Type: deadlock, Status: "False", Reason: noDeadlock, Message: "kernel has no deadlock",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}}
	d.tell(t)
	return d
}

// tell sends all conditions.
func (d *detector) tell(t testing.TB) {
	t.Helper()
	d.do(t, http.MethodPatch, "/api/v1/nodes/"+d.settings.Node+"/status", http.StatusOK,
		map[string]any{"status": map[string]any{"conditions": d.conditions}})
}

// find is a line of the kernel's that sets the condition, whose Event it makes.
func (d *detector) find(t testing.TB, line string) {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	d.conditions[0] = servers.NodeCondition{
		Type: deadlock, Status: "True", Reason: dockerHung, Message: line, LastHeartbeatTime: now, LastTransitionTime: now,
	}
	d.tell(t)
	d.do(t, http.MethodPost, "/api/v1/namespaces/default/events", http.StatusCreated, map[string]any{
		"apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": dockerHung, "count": 1,
		"message":        fmt.Sprintf("Node condition %s is now: True, reason: %s, message: %q", deadlock, dockerHung, line),
		"metadata":       map[string]any{"name": fmt.Sprintf("%s.%x", d.settings.Node, now.UnixNano()), "namespace": "default"},
		"involvedObject": map[string]any{"kind": "Node", "name": d.settings.Node, "uid": d.k.Node(t, d.settings.Node).UID},
		"source":         map[string]any{"component": "kernel-monitor", "host": d.settings.Node},
		"firstTimestamp": now.UTC().Format(time.RFC3339), "lastTimestamp": now.UTC().Format(time.RFC3339),
	})
}

// do sends a request with the rights of node-problem-detector.
func (d *detector) do(t testing.TB, method, path string, want int, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	contentType := "application/json"
	if method == http.MethodPatch {
		contentType = "application/strategic-merge-patch+json"
	}
	status, answer, err := d.k.Do(t.Context(), servers.Detector, method, path+"?fieldManager=node-problem-detector", contentType, text)
	require.NoError(t, err)
	require.Equal(t, want, status, "%s", answer)
}

// An agent takes a Node over from node-problem-detector as it stands, and gives it back:
// that one starts as ever, and nothing is left on the Node that it does not write. When the
// agent comes once more, with flags or in YAML, it again takes what stands there: what the
// detector has forgotten, and what it has found.
func (s kubernetesTests) npdThereAndBack(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	r.settings = r.settings.Durable(t)
	r.startDetector(t).find(t, r.tag+" hung docker:1")
	was := r.waitCondition(t, "True", dockerHung)
	there := r.npd(t, "--k8s-exporter-heartbeat-period=1s")
	r.waitHeartbeats(t, 3)
	r.requireStands(t, was)
	require.Len(t, r.events(t, dockerHung), 1, "the detector's own")

	r.clear(t)
	r.waitCondition(t, "False", noDeadlock)
	r.hang(t, "docker:2")
	found := r.waitHung(t, "docker:2")
	r.waitEvents(t, dockerHung, 2)
	stop(t, there)
	r.requireStands(t, found)

	r.waitNextSecond(t)
	d := r.startDetector(t)
	require.Equal(t, []string{deadlock, "Ready"}, r.types(t))
	forgotten := r.k.Node(t, r.settings.Node).Condition(deadlock)
	require.Equal(t, noDeadlock, forgotten.Reason)

	again := r.npd(t, "--k8s-exporter-heartbeat-period=1s")
	r.waitHeartbeats(t, 3)
	r.requireStands(t, forgotten)
	require.Len(t, r.events(t, dockerHung), 2, "it is not told again")
	r.hang(t, "docker:3")
	r.waitHung(t, "docker:3")
	r.waitEvents(t, dockerHung, 3)
	r.clear(t)
	require.Eventually(t, func() bool { return r.k.Node(t, r.settings.Node).Condition(deadlock).Status == "False" }, patience, tick)
	stop(t, again)

	r.waitNextSecond(t)
	d.find(t, r.tag+" hung docker:4")
	was = r.k.Node(t, r.settings.Node).Condition(deadlock)
	r.converted(t)
	r.waitHeartbeats(t, 3)
	r.requireStands(t, was)
	require.Len(t, r.events(t, dockerHung), 4, "the detector's two and its own")
}

// waitNextSecond waits until what comes is later than what the Node shows, whose times have
// whole seconds: of two in one second nobody can tell which came last.
func (r *rig) waitNextSecond(t testing.TB) {
	t.Helper()
	time.Sleep(time.Until(r.k.Node(t, r.settings.Node).Condition(deadlock).LastTransitionTime.Add(time.Second)))
}

// converted starts an agent with the YAML that stands for node-problem-detector's flags.
func (r *rig) converted(t testing.TB) {
	t.Helper()
	flags := append([]string{"config", "convert", "--"}, r.npdFlags(t, "--k8s-exporter-heartbeat-period=1s")...)
	made := agent.Run(t, binary, "", append(flags, agent.NPDPorts(t, r.settings)...)...)
	require.Zero(t, made.ExitCode, made.Stderr)
	path := filepath.Join(t.TempDir(), "otelnpd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(made.Stdout), 0o600))
	cmd := exec.Command(binary, "run", "--config", path)
	cmd.Env = append(os.Environ(), "OTELNPD_SOCKET="+r.settings.Socket, "OTELNPD_STATE_DIR="+r.settings.StateDir)
	a := &agent.Agent{Process: process.Start(t, "otelnpd", cmd), Settings: r.settings}
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Metrics+"/metrics", nil))
}

// stop ends an agent as a kubelet does.
func stop(t testing.TB, a *agent.Agent) {
	t.Helper()
	a.Signal(t, syscall.SIGTERM)
	require.Zero(t, a.Wait(t, patience), a.Log())
}

// waitHung waits until the Node shows that a task is hung.
func (r *rig) waitHung(t testing.TB, task string) servers.NodeCondition {
	t.Helper()
	want := r.tag + " hung " + task
	return r.watch.WaitFor(t, want, 0, func(seen servers.NodeSeen) bool { return seen.Condition(deadlock).Message == want }).Condition(deadlock)
}

// requireStands requires that the Node shows a condition, whatever its heartbeat.
func (r *rig) requireStands(t testing.TB, was servers.NodeCondition) {
	t.Helper()
	is := r.k.Node(t, r.settings.Node).Condition(was.Type)
	is.LastHeartbeatTime = was.LastHeartbeatTime
	require.Equal(t, was, is)
}

// types are the condition types that the Node has.
func (r *rig) types(t testing.TB) (types []string) {
	t.Helper()
	for _, c := range r.k.Node(t, r.settings.Node).Conditions {
		types = append(types, c.Type)
	}
	slices.Sort(types)
	return types
}
