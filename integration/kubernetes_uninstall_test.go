package integration

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// crowdedNode is a Node that others have written much of.
func crowdedNode(name, boot string) servers.Object {
	return servers.Object{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{
			"name": name, "labels": map[string]any{"team": "storage"}, "annotations": map[string]any{"checked": "yes"},
			"finalizers": []any{"example.com/drain"},
		},
		"spec": map[string]any{"taints": []any{map[string]any{"key": "dedicated", "value": "db", "effect": "NoSchedule"}}},
		"status": map[string]any{
			"nodeInfo": map[string]any{"bootID": boot, "machineID": "m", "kernelVersion": "6.1.0"},
			"capacity": map[string]any{"cpu": "4"}, "allocatable": map[string]any{"cpu": "3900m"},
			"addresses": []any{map[string]any{"type": "Hostname", "address": name}},
			"images":    []any{map[string]any{"names": []any{"registry.example.com/a:1"}, "sizeBytes": 5}},
			"conditions": []any{map[string]any{
				"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is ready",
				"lastHeartbeatTime": "2026-01-02T03:04:05Z", "lastTransitionTime": "2026-01-02T03:04:05Z",
			}},
		},
	}
}

// What the agent has made of the Node goes with it, each field, and nothing else: after
// uninstall the Node is what it was before the agent came. Its Events stay.
func (s kubernetesTests) uninstall(t *testing.T) {
	t.Parallel()
	r := s.rig(t, "heartbeat_period: 1s")
	r.settings = r.settings.Durable(t)
	const other, kept = "OtherTrouble", "KeptByState"
	declared := r.settings.Conditions
	r.settings.Conditions = fmt.Sprintf("{%s: {healthy: {reason: NoTrouble}}, %s: {healthy: {reason: Fine}}, ", other, kept) + declared[1:]
	r.k.Create(t, crowdedNode(r.settings.Node, bootID(t)), false)
	r.k.PatchCondition(t, r.settings.Node, servers.NodeCondition{Type: "Foreign", Status: "True", Reason: "Other", Message: "of somebody else"})
	before := r.node(t)

	a := r.start(t)
	r.hang(t, "docker")
	r.waitCondition(t, "True", dockerHung)
	r.waitEvents(t, dockerHung, 1)
	r.waitHeartbeats(t, 2)
	require.Eventually(t, func() bool {
		content, err := os.ReadFile(r.settings.StateDir + "/state.json")
		return err == nil && strings.Contains(string(content), kept)
	}, patience, tick)
	a.Signal(t, os.Interrupt)
	require.Zero(t, a.Wait(t, patience), a.Log())
	require.Equal(t, "True", r.k.Node(t, r.settings.Node).Condition(deadlock).Status, "a stop says nothing about the node")
	stopped, events := r.node(t), r.k.Events(t, "default", r.settings.Node)
	require.NotEmpty(t, events)

	// One type stands in the configuration no more: the state knows it.
	r.settings.Conditions = strings.Replace(r.settings.Conditions, kept+": {healthy: {reason: Fine}}, ", "", 1)
	config := r.settings.WriteConfig(t)
	dry := agent.Run(t, binary, "", "uninstall", "--config", config, "--dry-run")
	require.Zero(t, dry.ExitCode, dry.Stderr)
	for _, conditionType := range []string{deadlock, other, kept} {
		require.Contains(t, dry.Stdout, conditionType)
	}
	require.NotContains(t, dry.Stdout, "Foreign")
	require.Equal(t, stopped, r.node(t))

	for range 2 { // the second finds nothing left to do
		r.command(t, "uninstall", "--config", config)
		after := r.node(t)
		requireUnmanaged(t, after)
		for _, node := range []servers.Object{before, after} {
			delete(node.At("metadata").(map[string]any), "resourceVersion")
		}
		require.Equal(t, before, after)
		require.Equal(t, events, r.k.Events(t, "default", r.settings.Node))
	}
}

// node returns the whole Node as it stands.
func (r *rig) node(t testing.TB) servers.Object {
	t.Helper()
	return r.k.Get(t, "/api/v1/nodes/"+r.settings.Node)
}

// requireUnmanaged requires that no field of an object has the agent as its manager.
func requireUnmanaged(t testing.TB, o servers.Object) {
	t.Helper()
	managers, _ := o.At("metadata", "managedFields").([]any)
	require.NotEmpty(t, managers)
	for _, m := range managers {
		require.NotEqual(t, "otelnpd", servers.Object(m.(map[string]any)).At("manager"), "%v", m)
	}
}

// An operator takes the conditions from all Nodes, with the types of a configuration; a
// node's own rights are too few for that.
func (s kubernetesTests) uninstallEverywhere(t *testing.T) {
	t.Parallel()
	r := s.rig(t)
	own := "Of" + r.tag // other tests' Nodes do not have it
	r.settings.Conditions = "{" + own + ": {healthy: {reason: Fine}}}"
	r.settings.Rules = "rules: [{id: never, pattern: never, condition: " + own + ", reason: Never}]"
	config := r.settings.WriteConfig(t)
	nodes := []string{r.settings.Node, r.settings.Node + "-b", r.settings.Node + "-c"}
	for _, node := range nodes {
		r.k.CreateNode(t, servers.Node{Name: node, Conditions: []servers.NodeCondition{ready(), {Type: own, Status: "True"}}})
	}
	refused := agent.Run(t, binary, "", "uninstall", "--all-nodes", "--config", config)
	require.Equal(t, 1, refused.ExitCode)
	require.Contains(t, refused.Stderr, "may list nodes")

	admin := r.kubeconfig(servers.Admin).Write(t)
	dry := agent.Run(t, binary, "", "uninstall", "--all-nodes", "--dry-run", "--config", config, "--kubeconfig", admin)
	require.Zero(t, dry.ExitCode, dry.Stderr)
	// What passes keeps nothing from being done.
	r.proxy.Set(
		faultproxy.Throttled().On(http.MethodGet, "/nodes").Next(1),
		faultproxy.Throttled().On(http.MethodGet, nodes[1]).Next(1),
		faultproxy.Failing(http.StatusBadGateway).On(http.MethodPatch, nodes[2]).Next(1),
	)
	done := agent.Run(t, binary, "", "uninstall", "--all-nodes", "--config", config, "--kubeconfig", admin)
	require.Zero(t, done.ExitCode, done.Stderr)
	require.Empty(t, done.Stderr)
	require.Len(t, r.proxy.Requests(faultproxy.Is(http.MethodPatch, "/api/v1/nodes/"+nodes[2]+"/status")), 2)
	for _, node := range nodes {
		require.Contains(t, dry.Stdout, own+" would be removed from the Node "+node+"\n")
		require.Contains(t, done.Stdout, own+" removed from the Node "+node+"\n")
		is := r.k.Node(t, node)
		require.Len(t, is.Conditions, 1)
		require.Equal(t, "Ready", is.Conditions[0].Type)
	}
}
