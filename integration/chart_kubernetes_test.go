package integration

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// chartTests share an apiserver that has what the chart's objects need.
type chartTests struct{ k *servers.Kubernetes }

// What the chart makes is what a real API server takes, and gives the agents just the
// rights that they need.
func TestChartOnKubernetes(t *testing.T) {
	s := chartTests{servers.StartKubernetes(t)}
	s.k.InstallPrometheusOperator(t)
	s.k.CreateNamespace(t, "otelnpd")
	t.Run("all objects are taken, strictly", s.dryRun)
	t.Run("objects of awkward names are taken, strictly", s.dryRunNames)
	t.Run("plain manifests are taken, strictly", s.plain)
	pod := s.install(t, everything)
	t.Run("an agent may do what it needs, and no more", func(t *testing.T) { s.rights(t, pod) })
	t.Run("an agent writes the conditions that are listed alone", s.listed)
	t.Run("the agent runs by the chart, and follows it", s.runs)
	t.Run("the preset npd is node-problem-detector's chart", s.npd)
	t.Run("the preset collector sends metrics too", s.collector)
	t.Run("the preset gke writes what its dashboard shows", s.gke)
}

func (s chartTests) dryRun(t *testing.T) {
	for _, c := range chartCases(t) {
		objects := servers.Objects(t, render(t, servers.Helm3, c.args...))
		for _, o := range append(objects, podOf(one(t, objects, "DaemonSet"), "node")) {
			s.k.Create(t, o, true)
		}
	}
}

func (s chartTests) dryRunNames(t *testing.T) {
	for _, n := range awkwardNames(t) {
		objects := servers.Objects(t, renderRelease(t, servers.Helm3, n.release, n.args...))
		for _, o := range append(objects, podOf(one(t, objects, "DaemonSet"), "node")) {
			if o.Namespace() == "otelnpd" || o.Namespace() == "" {
				s.k.Create(t, o, true)
			}
		}
	}
}

func (s chartTests) plain(t *testing.T) {
	root, err := agent.Root()
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join(root, "deploy/manifests/*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(text), "Helm")
		for _, o := range servers.Objects(t, string(text)) {
			if o.Kind() != "Namespace" { // it is there
				s.k.Create(t, o, true)
			}
		}
	}
}

// podOf is the Pod that a DaemonSet makes for a node.
func podOf(daemonSet servers.Object, node string) servers.Object {
	spec := map[string]any{"nodeName": node}
	template, _ := daemonSet.At("spec", "template", "spec").(map[string]any)
	maps.Copy(spec, template)
	return servers.Object{"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": map[string]any{
		"name": daemonSet.Name() + "-" + node, "namespace": daemonSet.Namespace(),
		"labels": daemonSet.At("spec", "template", "metadata", "labels"),
	}}
}

// install makes all objects for real, and the Pod of a node; what has been returned is
// the Pod's token.
func (s chartTests) install(t *testing.T, values string) (token string) {
	t.Helper()
	objects := servers.Objects(t, render(t, servers.Helm3, "--values", valuesFile(t, values)))
	for _, node := range []string{"node-a", "node-b"} {
		s.k.CreateNode(t, servers.Node{Name: node, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	}
	pod := podOf(one(t, objects, "DaemonSet"), "node-a")
	for _, o := range append(objects, pod) {
		s.k.Create(t, o, false)
	}
	return s.k.PodToken(t, "otelnpd", "otelnpd", pod.Name())
}

// may sends a request by a token and returns the answer's status and message.
func (s chartTests) may(t *testing.T, token, method, path, body string) (status int, message string) {
	t.Helper()
	contentType := "application/json"
	if method == http.MethodPatch {
		contentType = "application/strategic-merge-patch+json"
	}
	status, answer, err := s.k.Do(t.Context(), token, method, path, contentType, []byte(body))
	require.NoError(t, err)
	var failure struct{ Message string }
	_ = json.Unmarshal(answer, &failure) // of a failure alone
	return status, failure.Message
}

func conditionPatch(conditionType string) string {
	return `{"status": {"conditions": [{"type": "` + conditionType + `", "status": "True", "reason": "R", "message": "m",
		"lastHeartbeatTime": "2026-01-02T03:04:05Z", "lastTransitionTime": "2026-01-02T03:04:05Z"}]}}`
}

func eventAbout(node, name string) string {
	return `{"apiVersion": "v1", "kind": "Event", "metadata": {"name": "` + name + `", "namespace": "default"}, "reason": "R", "message": "m",
		"involvedObject": {"kind": "Node", "name": "` + node + `"}, "type": "Warning"}`
}

// waitPolicy waits until a new policy is in force, which takes seconds. What changes
// nothing it lets through.
func (s chartTests) waitPolicy(t *testing.T, token string) {
	t.Helper()
	var answer string
	for deadline := time.Now().Add(patience); !strings.Contains(answer, "may not write this condition"); time.Sleep(tick) {
		require.True(t, time.Now().Before(deadline), answer)
		patch := strings.Replace(conditionPatch("Ready"), `"m"`, `"`+time.Now().String()+`"`, 1)
		_, answer = s.may(t, token, http.MethodPatch, "/api/v1/nodes/node-a/status", patch)
	}
}

// listed is a release whose policy names the conditions that its agents may write.
func (s chartTests) listed(t *testing.T) {
	objects := servers.Objects(t, renderRelease(t, servers.Helm3, "listed", "--values",
		valuesFile(t, "admissionPolicy: {enabled: true, conditions: [KernelDeadlock]}")))
	pod := podOf(one(t, objects, "DaemonSet"), "node-a")
	for _, o := range append(objects, pod) {
		s.k.Create(t, o, false)
	}
	token := s.k.PodToken(t, "otelnpd", "listed-otelnpd", pod.Name())
	s.waitPolicy(t, token)
	const status = "/api/v1/nodes/node-a/status"
	code, message := s.may(t, token, http.MethodPatch, status, conditionPatch("KernelDeadlock"))
	require.Equal(t, http.StatusOK, code, message)
	code, message = s.may(t, token, http.MethodPatch, status, conditionPatch("ReadonlyFilesystem"))
	require.Equal(t, http.StatusForbidden, code, message)
	require.Contains(t, message, "may not write this condition")
}

func (s chartTests) rights(t *testing.T, token string) {
	t.Helper()
	const nodes, events = "/api/v1/nodes/", "/api/v1/namespaces/default/events"
	s.waitPolicy(t, token)
	for _, test := range []struct {
		what, method, path, body string
		want                     int
		message                  string
	}{
		{"get its Node", http.MethodGet, nodes + "node-a", "", 200, ""},
		{"write a condition", http.MethodPatch, nodes + "node-a/status", conditionPatch("KernelDeadlock"), 200, ""},
		{"remove a condition", http.MethodPatch, nodes + "node-a/status", `{"status": {"conditions": [{"type": "KernelDeadlock", "$patch": "delete"}]}}`, 200, ""},
		{"make an Event", http.MethodPut, events + "/node-a.1", eventAbout("node-a", "node-a.1"), 201, ""},
		{"write it again", http.MethodPut, events + "/node-a.1", eventAbout("node-a", "node-a.1"), 200, ""},
		{"write another Node", http.MethodPatch, nodes + "node-b/status", conditionPatch("KernelDeadlock"), 403, "its own Node alone"},
		{"write Ready", http.MethodPatch, nodes + "node-a/status", conditionPatch("Ready"), 403, "may not write this condition"},
		{"remove Ready", http.MethodPatch, nodes + "node-a/status", `{"status": {"conditions": [{"type": "Ready", "$patch": "delete"}]}}`, 403, "may not write this condition"},
		{"label its Node", http.MethodPatch, nodes + "node-a/status", `{"metadata": {"labels": {"a": "b"}}}`, 403, "metadata"},
		{"annotate its Node", http.MethodPatch, nodes + "node-a/status", `{"metadata": {"annotations": {"a": "b"}}}`, 403, "metadata"},
		{"change its capacity", http.MethodPatch, nodes + "node-a/status", `{"status": {"capacity": {"cpu": "99"}}}`, 403, "beside its conditions"},
		{"change its addresses", http.MethodPatch, nodes + "node-a/status", `{"status": {"addresses": [{"type": "Hostname", "address": "x"}]}}`, 403, "beside its conditions"},
		{"taint its Node", http.MethodPatch, nodes + "node-a", `{"spec": {"unschedulable": true}}`, 403, "cannot patch resource"},
		{"make an Event of another Node", http.MethodPut, events + "/node-b.1", eventAbout("node-b", "node-b.1"), 403, "its own Node alone"},
		{"turn an Event to another Node", http.MethodPut, events + "/node-a.1", eventAbout("node-b", "node-a.1"), 403, ""},
		{"list Nodes", http.MethodGet, "/api/v1/nodes", "", 403, "cannot list resource"},
		{"watch Nodes", http.MethodGet, "/api/v1/nodes?watch=true", "", 403, "cannot watch resource"},
		{"list Pods", http.MethodGet, "/api/v1/pods", "", 403, "cannot list resource"},
		{"list Events", http.MethodGet, events, "", 403, "cannot list resource"},
		{"read Secrets", http.MethodGet, "/api/v1/namespaces/otelnpd/secrets", "", 403, "cannot list resource"},
		{"read a Secret", http.MethodGet, "/api/v1/namespaces/otelnpd/secrets/s", "", 403, "cannot get resource"},
	} {
		t.Run(test.what, func(t *testing.T) {
			status, message := s.may(t, token, test.method, test.path, test.body)
			require.Equal(t, test.want, status, message)
			require.Contains(t, message, test.message)
		})
	}
	t.Run("write by a token without a node", func(t *testing.T) {
		var answer struct{ Status struct{ Token string } }
		_, body, err := s.k.Do(t.Context(), servers.Admin, http.MethodPost,
			"/api/v1/namespaces/otelnpd/serviceaccounts/otelnpd/token", "application/json", []byte(`{"spec": {}}`))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(body, &answer))
		status, message := s.may(t, answer.Status.Token, http.MethodPatch, nodes+"node-a/status", conditionPatch("KernelDeadlock"))
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, message, "names no node")
	})
}
