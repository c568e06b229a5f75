package servers

import (
	"net/http"
	"testing"
	"time"
)

// Node is what the tests look at of a Node.
type Node struct {
	Name, UID, ResourceVersion string
	Labels                     map[string]string
	// BootID is status.nodeInfo.bootID.
	BootID     string
	Conditions []NodeCondition
}

// NodeCondition is a condition of a Node. Its times are whole seconds.
type NodeCondition struct {
	Type               string    `json:"type"`
	Status             string    `json:"status"`
	Reason             string    `json:"reason"`
	Message            string    `json:"message"`
	LastHeartbeatTime  time.Time `json:"lastHeartbeatTime,omitzero"`
	LastTransitionTime time.Time `json:"lastTransitionTime,omitzero"`
}

// Condition returns the condition of a type; the zero value where the Node has none.
func (n Node) Condition(conditionType string) NodeCondition {
	for _, c := range n.Conditions {
		if c.Type == conditionType {
			return c
		}
	}
	return NodeCondition{}
}

// nodeObject is a Node as the API writes it.
type nodeObject struct {
	Metadata struct {
		metadata
		Labels map[string]string `json:"labels,omitempty"`
	} `json:"metadata"`
	Status struct {
		NodeInfo struct {
			BootID string `json:"bootID"`
		} `json:"nodeInfo"`
		Conditions []NodeCondition `json:"conditions"`
	} `json:"status"`
}

func (o *nodeObject) node() Node {
	return Node{
		Name: o.Metadata.Name, UID: o.Metadata.UID, ResourceVersion: o.Metadata.ResourceVersion, Labels: o.Metadata.Labels,
		BootID: o.Status.NodeInfo.BootID, Conditions: o.Status.Conditions,
	}
}

const nodesPath = "/api/v1/nodes"

// CreateNode makes a Node, as a kubelet that registers does, of node's Name, Labels,
// BootID and Conditions, and returns it with its UID.
func (k *Kubernetes) CreateNode(t testing.TB, node Node) Node {
	t.Helper()
	var object nodeObject
	object.Metadata.Name, object.Metadata.Labels = node.Name, node.Labels
	object.Status.NodeInfo.BootID, object.Status.Conditions = node.BootID, node.Conditions
	k.create(t, nodesPath, object, &object)
	return object.node()
}

// DeleteNode deletes a Node.
func (k *Kubernetes) DeleteNode(t testing.TB, name string) {
	t.Helper()
	k.admin(t, http.MethodDelete, nodesPath+"/"+name, "", nil, http.StatusOK, nil)
}

// Node returns a Node as it stands.
func (k *Kubernetes) Node(t testing.TB, name string) Node {
	t.Helper()
	var object nodeObject
	k.admin(t, http.MethodGet, nodesPath+"/"+name, "", nil, http.StatusOK, &object)
	return object.node()
}

// PatchCondition writes a condition as another writer than the agent does, the
// kubelet for example. A time that is zero is left as it stands.
func (k *Kubernetes) PatchCondition(t testing.TB, node string, c NodeCondition) {
	t.Helper()
	fields := map[string]string{"type": c.Type, "status": c.Status, "reason": c.Reason, "message": c.Message}
	for key, at := range map[string]time.Time{
		"lastHeartbeatTime": c.LastHeartbeatTime, "lastTransitionTime": c.LastTransitionTime,
	} {
		if !at.IsZero() {
			fields[key] = at.UTC().Format(time.RFC3339)
		}
	}
	k.admin(t, http.MethodPatch, nodesPath+"/"+node+"/status", strategicMergeType,
		map[string]any{"status": map[string]any{"conditions": []any{fields}}}, http.StatusOK, nil)
}
